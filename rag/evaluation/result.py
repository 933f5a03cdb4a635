"""A result: facts, rows, and a summary computed only from the rows. Stored as one JSON file. And
the comparison of two results.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from rag.errors import InputError
from rag.evaluation import metrics
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.metrics import Interval
from rag.evaluation.records import COLUMNS, Row, unpack
from rag.evaluation.squad import is_right

FORMAT = 1
PERCENTILES = (50, 95, 99)
_POINTS = 200
"""Maximum number of points of a curve."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of a report. `latency` is in milliseconds by stage, then percentile; `stages`
    counts the questions that each stage lost.

    Curves are lists of points: `risk` (coverage, risk), `reliability` (mean confidence, share
    right, questions).
    """

    counts: Mapping[str, int]
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    latency: Mapping[str, Mapping[str, float]]
    per_second: float
    stages: Mapping[str, int]
    risk: Sequence[tuple[float, float]]
    reliability: Sequence[tuple[float, float, int]]


@dataclass(frozen=True, slots=True)
class Result:
    """`facts`: name, commit, time, settings, index, models, machine; the rest comes from rows."""

    facts: Mapping[str, Any]
    rows: Sequence[Row]
    summary: Summary = field(compare=False)

    @classmethod
    def of(cls, facts: Mapping[str, Any], rows: Sequence[Row]) -> Self:
        return cls(facts, rows, summarise(rows))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a result and compute its figures again. Raises InputError for another file."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            facts, table = content["facts"], content["questions"]
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']}, not {FORMAT}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path} is not a result of rag eval: {error}", "name a .json that rag eval wrote"
            ) from error
        return cls.of(facts, unpack(table))

    def as_dict(self, with_questions: bool = True) -> dict[str, Any]:
        summary = {name: getattr(self.summary, name) for name in Summary.__slots__}
        content: dict[str, Any] = {"format": FORMAT, "facts": dict(self.facts), **rounded(summary)}
        if with_questions:  # a table: column names, then values
            content["questions"] = {"columns": COLUMNS, "rows": [*map(astuple, self.rows)]}
        return content

    def save(self, path: Path) -> None:
        """Save the result with one line per question, so that results can be compared with diff."""
        content = self.as_dict()
        rows = ",\n".join(
            json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            for row in content["questions"].pop("rows")
        )
        head = json.dumps(content, ensure_ascii=False, indent=1)
        assert head.endswith("\n }\n}")
        path.write_text(f'{head[:-5]},\n  "rows": [\n{rows}\n]}}}}\n', encoding="utf-8")


def rounded(value: Any) -> Any:
    """Round floats to six places, also in lists and dicts."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def summarise(rows: Sequence[Row]) -> Summary:
    """Compute all figures from the rows."""
    columns = metrics.table(rows)
    groups = [row.group for row in rows]
    kinds = Counter(str(row.kind) for row in rows)
    lost = Counter(row.stage for row in rows if row.stage)

    times = defaultdict[str, list[float]](list)
    for row in rows:
        for name, ms in row.ms.items():
            times[name].append(ms)
    times["total"] = [sum(row.ms.values()) for row in rows]
    total = sum(times["total"])

    risk = np.transpose(metrics.risk_coverage(columns)).tolist()
    places = np.linspace(0, len(risk) - 1, min(len(risk), _POINTS))

    return Summary(
        counts={
            "questions": len(rows),
            **kinds,
            "documents": len({*groups}),
            "missed": lost.total(),
        },
        metrics=metrics.measure(columns),
        intervals=metrics.intervals(columns, groups),
        latency={
            name: {f"p{p}": float(np.percentile(values, p)) for p in PERCENTILES}
            for name, values in times.items()
        },
        per_second=1000 * len(rows) / total if total else 0.0,
        stages={name: lost[name] for name in STAGES if lost[name]},
        risk=[risk[round(place)] for place in places],
        reliability=metrics.reliability(columns),
    )


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric before and after, with the change's 95 % interval; `sure` if that excludes 0."""

    before: float
    after: float
    interval: Interval | None

    @property
    def sure(self) -> bool:
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison over the number of common `questions`; `alone` is the number in only one result.
    `gained` and `lost` are (before, after) rows of questions that became right or wrong; refusing
    an unanswerable question is right.
    """

    questions: int
    alone: int
    changes: Mapping[str, MetricChange]
    gained: Sequence[tuple[Row, Row]]
    lost: Sequence[tuple[Row, Row]]


def compare(before: Result, after: Result) -> Comparison:
    """Compare two results. Raises InputError if they have no question in common."""
    rows_before = {(row.id, row.question): row for row in before.rows}
    rows_after = {(row.id, row.question): row for row in after.rows}
    pairs = [(row, rows_after[key]) for key, row in rows_before.items() if key in rows_after]
    if not pairs:
        names = f"{before.facts['name']} and {after.facts['name']}"
        message = f"the results of {names} have no question in common"
        raise InputError(message, "compare results of the same gold set")

    columns = [metrics.table(rows) for rows in zip(*pairs, strict=True)]
    values_before, values_after = map(metrics.measure, columns)
    spread = metrics.intervals(columns[1], [row.group for row, _ in pairs], before=columns[0])

    changes = {
        name: MetricChange(values_before[name], values_after[name], spread.get(name))
        for name in values_before
        if name in values_after
    }
    flips = [pair for pair in pairs if served(pair[0]) != served(pair[1])]
    gained = [pair for pair in flips if served(pair[1])]
    lost = [pair for pair in flips if not served(pair[1])]

    unpaired = len(rows_before) + len(rows_after) - 2 * len(pairs)
    return Comparison(len(pairs), unpaired, changes, gained, lost)


def served(row: Row) -> bool:
    """Whether the answer or refusal is right; in retrieval, whether a relevant document leads."""
    if row.kind == "retrieval":
        return any(rank == 1 for rank, _ in row.found)
    return is_right(row.text, row.answers) if row.kind == "answerable" else row.text is None
