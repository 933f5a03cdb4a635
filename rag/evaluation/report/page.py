"""The report as one HTML file. It loads nothing, and its policy allows only the script with the
given digest. Beside it the result is written as JSON and Markdown.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag.errors import writing_to
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import Gate
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.report.summary import head, markdown
from rag.evaluation.result import Comparison, Result

_WIDTH = 360
_HEIGHT = 230
_LEFT = 42
_RIGHT = 12
_TOP = 12
_BOTTOM = 38


class Dot(NamedTuple):
    """A point with its meaning in words."""

    x: float
    y: float
    words: str
    radius: float = 5.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Points joined by a line in their order, with the area below filled, and dots. Without a line,
    the diagonal of equal values is drawn. `words` are the chart in words, for screen readers; `x`
    and `y` name the quantities. Both axes show shares and start at 0; y ends at `high` or above.
    """

    title: str
    words: str
    x: str
    y: str
    high: float = 1.0
    line: Sequence[tuple[float, float]] = ()
    dots: Sequence[Dot] = ()

    def marks(self, limit: float) -> list[float]:
        """The ticks of an axis."""
        step = next(step for step in (0.05, 0.1, 0.2, 0.25) if limit / step <= 5.01)
        last_tick = round(limit / step + 0.49)
        return [round(number * step, 4) for number in range(last_tick + 1)]

    def place(self, x: float, y: float) -> str:
        """A point in the coordinates of the drawing, inside the axes."""
        axis_top = self.marks(self.high)[-1]
        x = min(1.0, max(0.0, x))
        y = min(1.0, max(0.0, y / axis_top))
        from_left = _LEFT + x * (_WIDTH - _LEFT - _RIGHT)
        from_top = _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)
        return f"{from_left:.1f} {from_top:.1f}"

    @property
    def path(self) -> str:
        """The line as an SVG path."""
        places = [self.place(x, y) for x, y in self.line]
        return f"M{' L'.join(places)}"


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


def page(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = (_FOLDER / "page.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode()).digest()

    return template.render(
        metrics=METRICS,
        outcomes=_OUTCOMES,
        seconds=_seconds,
        percent=lambda share: f"{100 * share:g} %",
        stages=STAGES,
        tiles=_TILES,
        size=(_WIDTH, _HEIGHT),
        right=_WIDTH - _RIGHT,
        low=_HEIGHT - _BOTTOM,
        result=result,
        comparison=comparison,
        verdicts=verdicts,
        head=head(result),
        counts=Counter((row.kind, _outcome(row)) for row in result.rows),
        charts=list(_charts(result)),
        made_with=_made_with(result.facts),
        style=style,
        script=script,
        digest=base64.b64encode(digest).decode(),
    )


def _made_with(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the figures depend on, by name."""
    values = {"questions": facts["gold"]}
    for group in ("index", "models"):
        for name, value in facts[group].items():
            values[f"{group} {name}"] = value
    return {**values, **facts["settings"], **facts["machine"]}


def _outcome(row: Row) -> str:
    """A key of `_OUTCOMES[row.kind]`; without meaning for retrieval."""
    if row.text is None:
        return "refused" if row.kind == "answerable" else "right"
    if row.stage or row.kind == "unanswerable":
        return "wrong"
    return "right"


def _seconds(milliseconds: float) -> str:
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def _charts(result: Result) -> Iterator[Chart]:
    summary = result.summary
    if summary.risk:
        yield _risk_chart(result)

    if summary.reliability:
        largest_count = max(count for _, _, count in summary.reliability)
        dots = []
        for confidence, accuracy, count in summary.reliability:
            radius = 3 + 9 * (count / largest_count) ** 0.5
            dots.append(Dot(confidence, accuracy, f"{count} questions", radius))

        yield Chart(
            title="Right answers by confidence (ideal: on the line)",
            words=f"Calibration error {100 * summary.metrics['ece']:.1f} %",
            x="confidence",
            y="right",
            dots=dots,
        )


def _risk_chart(result: Result) -> Chart:
    """How many answers are wrong if as many are given, and where the threshold is."""
    summary = result.summary
    asked = [row for row in result.rows if row.kind != "retrieval"]
    answered = [row for row in asked if row.text is not None]
    wrong_share = sum(not row.right for row in answered) / max(len(answered), 1)
    threshold = Dot(len(answered) / len(asked), wrong_share, "as it is set")

    _, risk_of_all = summary.risk[-1]
    words = f"{risk_of_all:.0%} of all best candidates are wrong"
    words += f"; the area is {summary.metrics['aurc']:.3f}"
    highest_risk = max(risk for _, risk in summary.risk)
    return Chart(
        title="Wrong answers by the share answered (dot: current threshold)",
        words=words,
        x="answered",
        y="wrong",
        high=max(0.1, math.ceil(10 * highest_risk) / 10),
        line=summary.risk,
        dots=[threshold],
    )


def write(
    result: Result, comparison: Comparison | None, verdicts: Sequence[Gate], folder: Path
) -> list[Path]:
    """Write NAME-COMMIT.json, .html and .md to the folder. Raises InputError."""
    name = f"{result.facts['name']}-{result.facts['commit']}"
    as_json = folder / f"{name}.json"
    as_page = folder / f"{name}.html"
    as_markdown = folder / f"{name}.md"
    with writing_to(folder, "name another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        result.save(as_json)
        as_page.write_text(page(result, comparison, verdicts), encoding="utf-8")
        as_markdown.write_text(markdown(result, comparison, verdicts), encoding="utf-8")
    return [as_json, as_page, as_markdown]
