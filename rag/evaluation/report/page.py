"""The report as one HTML file. It loads nothing, and its policy allows only the script with the
given digest. Beside it the result is written as JSON and Markdown.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
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

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 12, 12, 38


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

    def marks(self, high: float) -> list[float]:
        """The ticks of an axis."""
        step = next(step for step in (0.05, 0.1, 0.2, 0.25) if high / step <= 5.01)
        return [round(n * step, 4) for n in range(round(high / step + 0.49) + 1)]

    def place(self, x: float, y: float) -> str:
        """A point in the coordinates of the drawing, inside the axes."""
        x, y = (min(1.0, max(0.0, share)) for share in (x, y / self.marks(self.high)[-1]))
        x_position = _LEFT + x * (_WIDTH - _LEFT - _RIGHT)
        top = _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x_position:.1f} {top:.1f}"

    @property
    def path(self) -> str:
        """The line as an SVG path."""
        return f"M{' L'.join(self.place(*point) for point in self.line)}"


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
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    options |= {"loader": FileSystemLoader(_FOLDER), "undefined": StrictUndefined}
    facts = result.facts
    grouped = {f"{group} {k}": v for group in ("index", "models") for k, v in facts[group].items()}
    style, script = ((_FOLDER / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return (
        Environment(**options)
        .get_template("report.html")
        .render(
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
            made_with={
                "questions": facts["gold"],
                **grouped,
                **facts["settings"],
                **facts["machine"],
            },
            style=style,
            script=script,
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _outcome(row: Row) -> str:
    """A key of `_OUTCOMES[row.kind]`; without meaning for retrieval."""
    if row.text is None:
        return "refused" if row.kind == "answerable" else "right"
    return "wrong" if row.stage or row.kind == "unanswerable" else "right"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _charts(result: Result) -> Iterator[Chart]:
    summary = result.summary

    if summary.risk:
        rows = [row for row in result.rows if row.kind != "retrieval"]
        answered = [row for row in rows if row.text is not None]
        wrong = sum(not row.right for row in answered) / max(len(answered), 1)

        words = f"{summary.risk[-1][1]:.0%} of all best candidates are wrong"
        words += f"; the area is {summary.metrics['aurc']:.3f}"

        highest = math.ceil(10 * max(risk for _, risk in summary.risk)) / 10
        threshold = Dot(len(answered) / len(rows), wrong, "as it is set")

        title = "Wrong answers by the share answered (dot: current threshold)"
        axis_top = max(0.1, highest)
        yield Chart(title, words, "answered", "wrong", axis_top, summary.risk, [threshold])

    if summary.reliability:
        title = "Right answers by confidence (ideal: on the line)"
        words = f"Calibration error {100 * summary.metrics['ece']:.1f} %"
        largest = max(count for _, _, count in summary.reliability)

        dots = [
            Dot(x, y, f"{count} questions", 3 + 9 * (count / largest) ** 0.5)
            for x, y, count in summary.reliability
        ]

        yield Chart(title, words, "confidence", "right", dots=dots)


def write(
    result: Result, comparison: Comparison | None, verdicts: Sequence[Gate], out: Path
) -> list[Path]:
    """Write NAME-COMMIT.json, .html and .md to the folder `out`. Raises InputError."""
    base = out / f"{result.facts['name']}-{result.facts['commit']}"
    paths = [base.with_name(f"{base.name}.{ending}") for ending in ("json", "html", "md")]
    with writing_to(out, "name another folder with --out"):
        out.mkdir(parents=True, exist_ok=True)
        result.save(paths[0])
        paths[1].write_text(page(result, comparison, verdicts), encoding="utf-8")
        paths[2].write_text(markdown(result, comparison, verdicts), encoding="utf-8")
    return paths
