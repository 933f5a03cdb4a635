"""The report as one HTML file. It loads nothing, and its policy allows only the script with the
given digest. Beside it the result is written as JSON and Markdown."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag.errors import writing_to
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import GateVerdict
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.report.summary import head, markdown
from rag.evaluation.result import Comparison, Result

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 12, 12, 38
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from `low` to `high` with ticks at `marks`; `unit` formats a value, and
    `label` names the quantity."""

    label: str
    low: float
    high: float
    marks: Sequence[float]
    unit: str = ""

    def at(self, value: float) -> float:
        """The position of a value, from 0 to 1, clipped at the ends."""
        return min(1.0, max(0.0, (value - self.low) / ((self.high - self.low) or 1)))

    def mark(self, value: float) -> str:
        return f"{value:g}{self.unit}"


def percent(label: str, high: float = 1.0) -> Axis:
    """An axis for shares in [0, 1], shown as per cent."""
    step = next(step for step in (0.05, 0.1, 0.2, 0.25) if high / step <= 5.01)
    return _Percent(
        label, 0.0, high, [round(n * step, 4) for n in range(int(high / step + 1e-9) + 1)]
    )


class _Percent(Axis):
    def mark(self, value: float) -> str:
        return f"{100 * value:g} %"


@dataclass(frozen=True, slots=True)
class Chart:
    """`words` are the chart in words, for screen readers."""

    title: str
    words: str
    x: Axis
    y: Axis

    def line(self, points: Sequence[Point], marks: str = "") -> str:
        """Points joined by a line in their order, with the area below filled."""
        path = " ".join(
            f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(self._places(points))
        )
        left, right = self._x(points[0][0]), self._x(points[-1][0])
        area = (
            f"{path} L{right:.1f} {self._y(self.y.low):.1f} L{left:.1f} {self._y(self.y.low):.1f} Z"
        )
        return self._figure(
            f'<path class="area" d="{area}"/><path class="line" d="{path}"/>{marks}'
        )

    def dots(self, points: Sequence[tuple[float, float, int]]) -> str:
        """Points sized by their weight, and the diagonal of equal values."""
        largest = max((count for _, _, count in points), default=1)
        diagonal = (
            f'<path class="even" d="M{self._x(0):.1f} {self._y(0):.1f} L{self._x(1):.1f} '
            f'{self._y(1):.1f}"/>'
        )
        circles = [
            self.dot(x, y, f"{count} questions", 3 + 9 * (count / largest) ** 0.5)
            for x, y, count in points
        ]
        return self._figure(diagonal + "".join(circles))

    def dot(self, x: float, y: float, words: str, radius: float = 5.0) -> str:
        place = f'cx="{self._x(x):.1f}" cy="{self._y(y):.1f}" r="{radius:.1f}"'
        title = (
            f"{words}: {self.x.label} {self.x.mark(round(x, 3))}, {self.y.label} "
            f"{self.y.mark(round(y, 3))}"
        )
        return f'<circle class="dot" {place}><title>{escape(title)}</title></circle>'

    def _figure(self, content: str) -> str:
        svg = (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{escape(self.words)}">{self._axes()}{content}</svg>'
        )
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{svg}</figure>"

    def _axes(self) -> str:
        left, right, low = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        rows = [
            f'<path class="grid" d="M{left} {self._y(v):.1f} H{right}"/>'
            f'<text x="{left - 6}" y="{self._y(v) + 4:.1f}" '
            f'text-anchor="end">{self.y.mark(v)}</text>'
            for v in self.y.marks
        ]
        columns = [
            f'<text x="{self._x(v):.1f}" y="{low + 15}" '
            f'text-anchor="middle">{self.x.mark(v)}</text>'
            for v in self.x.marks
        ]
        label = (
            f'<text class="label" x="{(left + right) / 2}" y="{_HEIGHT - 5}" '
            f'text-anchor="middle">{escape(self.x.label)}</text>'
        )
        return "".join([*rows, *columns, label])

    def _places(self, points: Sequence[Point]) -> list[Point]:
        return [(self._x(x), self._y(y)) for x, y in points]

    def _x(self, value: float) -> float:
        return _LEFT + self.x.at(value) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self.y.at(value) * (_HEIGHT - _TOP - _BOTTOM)


def scale(highest: float, marks: int = 4) -> list[float]:
    """Round numbers from 0 up to `highest`, in about `marks` steps."""
    power = 10.0 ** len(str(int(highest / marks))) / 10 if highest >= marks else 10.0**-3
    while highest / power > marks:
        power *= 2 if str(power).lstrip("0.").startswith(("1", "5")) else 2.5
    return [n * power for n in range(int(-(-highest // power)) + 1)]


_FOLDER = Path(__file__).parent
_TILES = {
    "f1": "F1, all questions",
    "em_answerable": "exact match, answerable",
    "citation_document@1": "first citation in a right document",
    "f1_unanswerable": "of unanswerable questions refused",
    "evidence@10": "evidence in the first 10",
    "ndcg@10": "nDCG@10",
    "offset_integrity": "of citations have exact offsets",
}
_OUTCOMES = {
    "answerable": {"right": "answered rightly", "refused": "refused", "wrong": "answered wrongly"},
    "unanswerable": {"right": "refused", "wrong": "answered"},
}


def page(result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"metrics": METRICS, "outcomes": _OUTCOMES, "seconds": _seconds}
    environment.globals |= {"stages": STAGES, "tiles": _TILES}
    style, script = ((_FOLDER / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return environment.get_template("report.html").render(
        result=result,
        comparison=comparison,
        verdicts=verdicts,
        head=head(result),
        counts=Counter((row.kind, _outcome(row)) for row in result.rows),
        charts="".join(_charts(result)),
        made_with=_made_with(result.facts),
        style=style,
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _outcome(row: Row) -> str:
    """A key of `_OUTCOMES[row.kind]`; without meaning for retrieval."""
    if row.text is None:
        return "refused" if row.kind == "answerable" else "right"
    return "wrong" if row.stage or row.kind == "unanswerable" else "right"


def _made_with(facts: Mapping[str, Any]) -> dict[str, object]:
    """Settings and digests, to reproduce the result."""
    grouped = {f"{group} {k}": v for group in ("index", "models") for k, v in facts[group].items()}
    return {"questions": facts["gold"], **grouped, **facts["settings"], **facts["machine"]}


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _charts(result: Result) -> Iterator[str]:
    summary, times = result.summary, result.summary.latency["total"]
    if summary.recall:
        first, last = summary.recall[0][1], summary.recall[-1][1]
        words = f"Evidence is in the first passage of {first:.0%} of the questions"
        words += f", in the first 20 of {last:.0%}"
        ranks = Axis("k", 1, 20, (1, 5, 10, 15, 20))
        chart = Chart("Evidence among the first k passages", words, ranks, percent("questions"))
        yield chart.line(summary.recall)
    if summary.risk:
        yield _risk(result)
    if summary.reliability:
        title = "Right answers by confidence (ideal: on the line)"
        words = f"Calibration error {100 * summary.metrics['ece']:.1f} %"
        yield Chart(title, words, percent("confidence"), percent("right")).dots(summary.reliability)
    half, slowest = _seconds(times["p50"]), _seconds(times["p95"])
    words = f"Half of the questions take at most {half}, 95 % at most {slowest}"
    marks = scale(times["p99"])
    axis = Axis("milliseconds", 0, marks[-1], marks)
    chart = Chart("Questions answered within a time", words, axis, percent("questions"))
    yield chart.line([(0.0, 0.0), *summary.waiting])


def _risk(result: Result) -> str:
    """The risk-coverage curve with the current threshold."""
    risk, area = result.summary.risk, result.summary.metrics["aurc"]
    words = f"Of all best candidates {risk[-1][1]:.0%} are wrong; the area is {area:.3f}"
    highest = math.ceil(10 * max(wrong for _, wrong in risk)) / 10
    axes = percent("answered"), percent("wrong", max(0.1, highest))
    chart = Chart("Wrong answers by the share answered (dot: current threshold)", words, *axes)
    rows = [row for row in result.rows if row.kind != "retrieval"]
    answered = [row for row in rows if row.text is not None]
    wrong = sum(not row.right for row in answered) / max(len(answered), 1)
    return chart.line(risk, chart.dot(len(answered) / len(rows), wrong, "as it is set"))


def write(
    result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict], out: Path
) -> list[Path]:
    """Write NAME-COMMIT.json, .html and .md to the folder `out`. Raises InputError if they cannot
    be written."""
    base = out / f"{result.facts['name']}-{result.facts['commit']}"
    paths = [base.with_name(f"{base.name}.{ending}") for ending in ("json", "html", "md")]
    with writing_to(out, "name another folder with --out"):
        out.mkdir(parents=True, exist_ok=True)
        result.save(paths[0])
        paths[1].write_text(page(result, comparison, verdicts), encoding="utf-8")
        paths[2].write_text(markdown(result, comparison, verdicts), encoding="utf-8")
    return paths
