"""Confidence intervals by bootstrap over documents (Efron 1979; by cluster, Davison & Hinkley 1997,
ch. 3.8).

Questions about one document tend to succeed or fail together, so documents are resampled with all
their questions; resampling questions would make the intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.metrics import Column, Table, measure

DRAWS = 1000
Interval = tuple[float, float]


def bootstrap_samples(
    groups: Sequence[str], times: int | None = None, seed: int = 0
) -> list[NDArray[np.intp]]:
    """Row indices of `times` samples (`DRAWS`): all groups, resampled with replacement, with all
    their rows.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    random = np.random.default_rng(seed)
    return [
        np.concatenate([members[i] for i in random.integers(len(names), size=len(names))])
        for _ in range(times or DRAWS)
    ]


def intervals(
    columns: Table, groups: Sequence[str], times: int | None = None
) -> dict[str, Interval]:
    """The 95 % percentile interval of every metric; {} if there is only one group."""
    if len(set(groups)) < 2:
        return {}
    return _spread([measure(_take(columns, rows)) for rows in bootstrap_samples(groups, times)])


def paired(
    before: Table, after: Table, groups: Sequence[str], times: int | None = None
) -> dict[str, Interval]:
    """The 95 % interval of every metric's change between two runs of the same questions (paired:
    both use the same samples).
    """
    if len(set(groups)) < 2:
        return {}
    changes = []
    for rows in bootstrap_samples(groups, times):
        old, new = measure(_take(before, rows)), measure(_take(after, rows))
        changes.append({name: new[name] - old[name] for name in old.keys() & new.keys()})
    return _spread(changes)


def _take(columns: Table, rows: NDArray[np.intp]) -> dict[str, Column]:
    return {name: values[rows] for name, values in columns.items()}


def _spread(samples: Sequence[dict[str, float]]) -> dict[str, Interval]:
    names = dict.fromkeys(name for sample in samples for name in sample)
    values = {name: [sample[name] for sample in samples if name in sample] for name in names}
    return {
        name: (float(low), float(high))
        for name, v in values.items()
        for low, high in [np.percentile(v, [2.5, 97.5])]
    }
