"""The report as one HTML file. It loads nothing, and its policy allows only the script with the
given digest."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from rag.evaluation.compare import Comparison
from rag.evaluation.gates import GateVerdict
from rag.evaluation.records import Row
from rag.evaluation.report.charts import Axis, Chart, percent, scale
from rag.evaluation.report.html_tables import facts, flips, latency, lost, metrics, misses, seconds
from rag.evaluation.report.markup import tag
from rag.evaluation.report.summary import head
from rag.evaluation.result import Result, Summary

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


def page(result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]) -> str:
    """The whole page."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    name = escape(str(result.facts["name"]))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}: rag eval</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(_body(result, comparison, verdicts))
        + f"\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _body(
    result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]
) -> Iterator[str]:
    summary, made = result.summary, result.facts
    said = f"{head(result)} · commit {escape(made['commit'])} · {escape(made['made'])}"
    yield tag(
        "header",
        tag("h1", escape(str(made["name"]))),
        tag("p", said, class_="soft"),
        _gates(verdicts),
    )
    yield _tiles(summary) + _fates(result.rows)
    yield tag("h2", "Figures") + metrics(summary, comparison)
    yield tag("h2", "Curves") + tag("div", *_charts(result), class_="charts")
    if summary.stages:
        yield tag("h2", "Where questions were lost") + lost(summary.stages)
        yield tag("h2", "Misses") + misses(result.rows)
    if comparison:
        yield tag("h2", "Since the baseline") + flips(comparison)
    yield tag("h2", "Time by stage") + latency(summary)
    yield tag("h2", "Made with") + facts(made)


def _gates(verdicts: Sequence[GateVerdict]) -> str:
    items = (tag("li", escape(str(v)), class_="good" if v.passed else "bad") for v in verdicts)
    return tag("ul", *items, class_="gates", aria_label="Bounds") if verdicts else ""


def _tiles(summary: Summary) -> str:
    shown = [
        (f"{100 * summary.metrics[name]:.1f} %", said)
        for name, said in _TILES.items()
        if name in summary.metrics
    ]
    shown.append((seconds(summary.latency["total"]["p50"]), "for half of the questions (p50)"))
    return tag(
        "div",
        *(tag("div", tag("b", value), tag("span", said), class_="tile") for value, said in shown),
        class_="tiles",
    )


def _fates(rows: Sequence[Row]) -> str:
    """The outcomes of the questions, in two bars."""
    fates = []
    if answerable := [row for row in rows if row.kind == "answerable"]:
        refused = sum(row.text is None for row in answerable)
        wrong = sum(row.stage is not None for row in answerable) - refused
        right = ("right", "answered rightly", len(answerable) - refused - wrong)
        fates.append(
            _fate(
                "answerable",
                [right, ("refused", "refused", refused), ("wrong", "answered wrongly", wrong)],
            )
        )
    if others := [row for row in rows if row.kind == "unanswerable"]:
        refused = sum(row.text is None for row in others)
        fates.append(
            _fate(
                "unanswerable",
                [("right", "refused", refused), ("wrong", "answered", len(others) - refused)],
            )
        )
    return tag("div", *fates, class_="fates") if fates else ""


def _fate(title: str, shares: Sequence[tuple[str, str, int]]) -> str:
    total = sum(count for _, _, count in shares)
    said = " · ".join(f"{count} {word} ({count / total:.0%})" for _, word, count in shares)
    bars = (
        tag("i", class_=kind, style=f"width:{100 * count / total:.2f}%")
        for kind, _, count in shares
        if count
    )
    bar = tag("div", *bars, class_="bar", role="img", aria_label=said)
    return tag(
        "div", tag("b", f"{total} {title}"), bar, tag("span", said, class_="key"), class_="fate"
    )


def _charts(result: Result) -> Iterator[str]:
    summary = result.summary
    if summary.recall:
        first, last = summary.recall[0][1], summary.recall[-1][1]
        said = (
            f"Evidence is in the first passage of {first:.0%} of the questions, in the first "
            f"20 of {last:.0%}"
        )
        ranks = Axis("k", 1, 20, (1, 5, 10, 15, 20))
        yield Chart("Evidence among the first k passages", said, ranks, percent("questions")).line(
            summary.recall
        )
    if summary.risk:
        yield _risk(result)
    if summary.reliability:
        said = f"Calibration error {100 * summary.metrics['ece']:.1f} %"
        chart = Chart(
            "Right answers by confidence (ideal: on the line)",
            said,
            percent("confidence"),
            percent("right"),
        )
        yield chart.dots(summary.reliability)
    times = summary.latency["total"]
    marks = scale(times["p99"])
    said = (
        f"Half of the questions take {seconds(times['p50'])}, 95 % at most {seconds(times['p95'])}"
    )
    axis = Axis("milliseconds", 0, marks[-1], marks)
    yield Chart("Questions answered within a time", said, axis, percent("questions")).line(
        [(0.0, 0.0), *summary.waiting]
    )


def _risk(result: Result) -> str:
    """The risk-coverage curve with the current threshold."""
    summary = result.summary
    said = (
        f"Of all best candidates {summary.risk[-1][1]:.0%} are wrong; the area is "
        f"{summary.metrics['aurc']:.3f}"
    )
    most = math.ceil(10 * max(risk for _, risk in summary.risk)) / 10
    axes = percent("answered"), percent("wrong", max(0.1, most))
    chart = Chart("Wrong answers by the share answered (dot: current threshold)", said, *axes)
    asked = [row for row in result.rows if row.kind != "retrieval"]
    given = [row for row in asked if row.text is not None]
    wrong = sum(not row.right for row in given) / max(len(given), 1)
    return chart.line(summary.risk, chart.dot(len(given) / len(asked), wrong, "as it is set"))
