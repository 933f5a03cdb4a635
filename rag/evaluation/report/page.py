"""The report as one HTML file. It loads nothing, and its policy allows only the script with the
given digest."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag.evaluation.compare import Comparison
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import GateVerdict
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.report.charts import Axis, Chart, percent, scale
from rag.evaluation.report.summary import head
from rag.evaluation.result import Result

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
