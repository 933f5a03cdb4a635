"""The value of each generator and each group of features, on sets left out in turn.

python -m eval.experiments.ablations --cache DIR [--out FILE] SET...

For each row the judge is fitted again without a generator's candidates, or without a group of
features, to all sets but one, and asked about that one. Writes eval/results/ablations.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from eval.experiments import fit_judge
from eval.experiments.fit_judge import (
    Example,
    calibrated,
    collect,
    counts,
    left_out,
    threshold_of,
)
from eval.experiments.kept import ROOT, SETS
from rag.answering.features import FEATURES, GENERATED

_NETWORKS = 2
"""Fewer than the shipped judge has, to save time."""
GROUPS = {
    "form classifier": ("asks_",),
    "length": ("words", "places", "more"),
    "sentence head": ("sentence_", "lead"),
    "spans": ("span_", "fresh", "agreement", "rivals"),
    "verdict head": ("yes", "no", "unsaid", "verdict"),
    "retrieval": ("fused", "dense", "lexical", "rank", "is_read"),
    "words of the question": ("coverage", "names", "question_words"),
    "second opinion of the small reader": ("first_",),
    "refers back": ("refers_back",),
}
"""Beginnings of the names of features, by group."""


def without_generator(made: Sequence[Example], name: str) -> list[Example]:
    """The examples without a generator's candidates; those that have no other are left out."""
    left = []
    for one in made:
        rest = np.array([generator != name for generator in one.generators])
        if rest.any():
            left.append(_chosen(one, rest))
    return left


def _chosen(one: Example, rest: np.ndarray) -> Example:
    places = np.flatnonzero(rest)
    return replace(
        one,
        forms=tuple(one.forms[n] for n in places),
        generators=tuple(one.generators[n] for n in places),
        rows=one.rows[places],
        judgements=tuple(one.judgements[n] for n in places),
        serves=one.serves[places],
    )


def without_features(made: Sequence[Example], beginnings: Sequence[str]) -> list[Example]:
    """The examples with a group of features set to 0."""
    columns = [number for number, name in enumerate(FEATURES) if name.startswith(tuple(beginnings))]
    blanked = []
    for one in made:
        rows = one.rows.copy()
        rows[:, columns] = 0
        blanked.append(replace(one, rows=rows))
    return blanked


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), required=True)
@click.option("--reader", default="accurate")
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "eval/results/ablations.json"
)
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)), required=True)
def main(cache: Path, reader: str, out: Path, names: tuple[str, ...]) -> None:
    """Measure each row."""
    fit_judge.NETWORKS = _NETWORKS
    made = collect(cache, reader, names)
    variants = {"nothing": made}
    variants |= {f"generator {name}": without_generator(made, name) for name in GENERATED}
    variants |= {
        f"features: {name}": without_features(made, names) for name, names in GROUPS.items()
    }
    chosen = left_out(made, names)
    threshold = threshold_of(chosen, *calibrated(chosen))
    table = {}
    for name, examples in tqdm(variants.items(), disable=None):
        chosen = left_out(examples, names)
        table[name] = counts(chosen, *calibrated(chosen), threshold)
    content = {
        "command": f"python -m eval.experiments.ablations --cache DIR {' '.join(names)}",
        "threshold": threshold,
        "without": table,
    }
    out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
