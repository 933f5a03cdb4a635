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

from rag.errors import InputError, cause_of
from rag.evaluation import metrics
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.metrics import ConfidenceInterval
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
    intervals: Mapping[str, ConfidenceInterval]
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
            facts = content["facts"]
            table = content["questions"]
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']}, not {FORMAT}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{path} is not a result of rag eval: {cause_of(error)}"
            raise InputError(message, "name a .json that rag eval wrote") from error
        return cls.of(facts, unpack(table))

    def as_dict(self, with_questions: bool = True) -> dict[str, Any]:
        summary = {name: getattr(self.summary, name) for name in Summary.__slots__}
        content: dict[str, Any] = {
            "format": FORMAT,
            "facts": dict(self.facts),
            **rounded(summary),
        }
        if with_questions:  # a table: column names, then values
            rows = [astuple(row) for row in self.rows]
            content["questions"] = {"columns": COLUMNS, "rows": rows}
        return content

    def save(self, path: Path) -> None:
        """Save the result with one line per question, so that results can be compared with diff."""
        content = self.as_dict()
        lines = []
        for row in content["questions"].pop("rows"):
            lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        rows = ",\n".join(lines)

        head = json.dumps(content, ensure_ascii=False, indent=1)
        assert head.endswith("\n }\n}")
        text = f'{head[:-5]},\n  "rows": [\n{rows}\n]}}}}\n'
        path.write_text(text, encoding="utf-8")


def rounded(value: Any) -> Any:
    """Round floats to six places, also in lists and dicts."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def summarise(rows: Sequence[Row]) -> Summary:
    """Compute all figures from the rows."""
    columns = metrics.table(rows)
    groups = [row.group for row in rows]
    kinds = Counter(str(row.kind) for row in rows)
    lost = Counter(row.stage for row in rows if row.stage)
    times = _times(rows)
    total = sum(times["total"])

    return Summary(
        counts={
            "questions": len(rows),
            **kinds,
            "documents": len(set(groups)),
            "missed": lost.total(),
        },
        metrics=metrics.measure(columns),
        intervals=metrics.intervals(columns, groups),
        latency={name: _percentiles(values) for name, values in times.items()},
        per_second=1000 * len(rows) / total if total else 0.0,
        stages={name: lost[name] for name in STAGES if lost[name]},
        risk=_risk_curve(columns),
        reliability=metrics.reliability(columns),
    )


def _times(rows: Sequence[Row]) -> dict[str, list[float]]:
    """The milliseconds of every stage, and of all stages of a question under "total"."""
    times = defaultdict[str, list[float]](list)
    for row in rows:
        for stage, ms in row.ms.items():
            times[stage].append(ms)
    times["total"] = [sum(row.ms.values()) for row in rows]
    return times


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    percentiles = {}
    for percentile in PERCENTILES:
        percentiles[f"p{percentile}"] = float(np.percentile(values, percentile))
    return percentiles


def _risk_curve(columns: metrics.OutcomeTable) -> list[tuple[float, float]]:
    """Points of (coverage, risk) at equal distances, with the first and the last."""
    points = np.transpose(metrics.risk_coverage(columns)).tolist()
    places = np.linspace(0, len(points) - 1, min(len(points), _POINTS))
    return [points[round(place)] for place in places]


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric before and after, with the change's 95 % interval; `is_sure` if that excludes 0."""

    before: float
    after: float
    interval: ConfidenceInterval | None

    @property
    def is_sure(self) -> bool:
        if self.interval is None:
            return False
        lower_bound, upper_bound = self.interval
        return not lower_bound <= 0 <= upper_bound


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


def compare(result_before: Result, result_after: Result) -> Comparison:
    """Compare two results. Raises InputError if they have no question in common."""
    rows_before = {(row.id, row.question): row for row in result_before.rows}
    rows_after = {(row.id, row.question): row for row in result_after.rows}
    pairs = [(row, rows_after[key]) for key, row in rows_before.items() if key in rows_after]
    if not pairs:
        names = f"{result_before.facts['name']} and {result_after.facts['name']}"
        message = f"the results of {names} have no question in common"
        raise InputError(message, "compare results of the same gold set")

    gained = []
    lost = []
    for row_before, row_after in pairs:
        served_before = is_served(row_before)
        served_after = is_served(row_after)
        if served_after and not served_before:
            gained.append((row_before, row_after))
        elif served_before and not served_after:
            lost.append((row_before, row_after))

    return Comparison(
        questions=len(pairs),
        alone=len(rows_before) + len(rows_after) - 2 * len(pairs),
        changes=_metric_changes(pairs),
        gained=gained,
        lost=lost,
    )


def _metric_changes(pairs: Sequence[tuple[Row, Row]]) -> dict[str, MetricChange]:
    """Every metric that applies to both, with the interval of its change."""
    columns_before = metrics.table([row for row, _ in pairs])
    columns_after = metrics.table([row for _, row in pairs])
    values_before = metrics.measure(columns_before)
    values_after = metrics.measure(columns_after)
    groups = [row.group for row, _ in pairs]
    spread = metrics.intervals(columns_after, groups, columns_before=columns_before)

    changes = {}
    for name, value in values_before.items():
        if name in values_after:
            changes[name] = MetricChange(value, values_after[name], spread.get(name))
    return changes


def is_served(row: Row) -> bool:
    """Whether the answer or refusal is right; in retrieval, whether a relevant document leads."""
    if row.kind == "retrieval":
        return any(rank == 1 for rank, _ in row.found)
    if row.kind == "answerable":
        return is_right(row.text, row.answers)
    return row.text is None
