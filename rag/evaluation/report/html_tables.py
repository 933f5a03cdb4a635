"""The tables of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rag.evaluation.compare import Change, Comparison
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.report.markup import cell, heads, table, tag, text
from rag.evaluation.result import Summary

_NEVER = 1_000_000
"""A value that sorts after every rank."""
_COLUMNS = ("question", "accepted", "said", "lost at", "rank", "dense", "lexical", "evidence")
_KINDS = {"rank": "n", "dense": "n", "lexical": "n", "question": "wide", "evidence": "wide"}


def metrics(summary: Summary, comparison: Comparison | None) -> str:
    """The metrics with their intervals and definitions."""
    rows, group = [], ""
    for name in summary.metrics:
        if METRICS[name].group != group:
            group = METRICS[name].group
            rows.append(tag("tr", tag("th", group, colspan=5, scope="rowgroup")))
        rows.append(_metric(name, summary, comparison))
    numbers = ("%", "95 %", "change")
    head = heads("figure", "%", "95 %", *(["change"] if comparison else []), numbers=numbers)
    note = "Intervals: bootstrap over documents with all their questions (1,000 samples)."
    return table([*head, tag("th", class_="i")], rows, "metrics") + tag("p", note, class_="soft")


def _metric(name: str, summary: Summary, comparison: Comparison | None) -> str:
    metric, value = METRICS[name], summary.metrics[name]
    low, high = summary.intervals.get(name, (value, value))
    definition = tag("p", escape(metric.definition), " ", tag("code", name))
    band = tag("i", style=f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%")
    cells = [
        cell(tag("details", tag("summary", metric.title), definition)),
        cell(f"{100 * value:.1f}", "n"),
        cell(f"{100 * low:.1f} – {100 * high:.1f}" if name in summary.intervals else "", "n"),
        *([cell(_change(name, comparison.changes.get(name)), "n")] if comparison else []),
        cell(tag("div", band, tag("b", style=f"left:{100 * value:.2f}%"), class_="range"), "i"),
    ]
    return tag("tr", *cells)


def _change(name: str, change: Change | None) -> str:
    """A difference, coloured if it is significant."""
    if change is None:
        return ""
    moved = change.after - change.before
    better = (moved > 0) == (METRICS[name].better == "higher")
    kind = ("good" if better else "bad") if change.sure else "soft"
    return tag("span", f"{100 * moved:+.1f}", class_=kind)


def latency(summary: Summary) -> str:
    names = list(summary.latency["total"])
    rows = (
        tag("tr", cell(escape(stage)), *(cell(f"{times[name]:,.1f}", "n") for name in names))
        for stage, times in summary.latency.items()
    )
    note = f"{summary.per_second:.2f} questions per second, one at a time."
    return table(heads("milliseconds", *names, numbers=names), rows) + tag("p", note, class_="soft")


def seconds(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def lost(stages: Mapping[str, int]) -> str:
    """The number of questions that each stage lost, in the order of the stages; a click lists
    them."""
    rows = []
    for name, count in stages.items():
        button = tag("button", STAGES[name].title, type="button", data_show=name)
        share = tag("div", class_="share", style=f"width:{100 * count / max(stages.values()):.1f}%")
        words = (cell(escape(said)) for said in (STAGES[name].meaning, STAGES[name].remedy))
        rows.append(tag("tr", cell(button + share), cell(str(count), "n"), *words))
    return table(
        heads("lost at", "questions", "what happened", "what to try", numbers=["questions"]),
        rows,
        "lost",
    )


def misses(rows: Sequence[Row]) -> str:
    """The wrong answers; the script sorts and filters them."""
    missed = [row for row in rows if row.stage]
    head = [
        tag(
            "th",
            tag("button", name, type="button"),
            class_=_KINDS.get(name),
            scope="col",
            data_column=name,
        )
        for name in _COLUMNS
    ]
    return _tools(missed) + table(head, map(_miss, missed), name="misses")


def _tools(missed: Sequence[Row]) -> str:
    met = {row.stage for row in missed}
    stages = (tag("option", STAGES[name].title, value=name) for name in STAGES if name in met)
    ways = ((place, name, way) for place, name in enumerate(_COLUMNS[:5]) for way in ("up", "down"))
    orders = (
        tag("option", f"by {name}, {way}", value=f"{place} {way}") for place, name, way in ways
    )
    field = (
        '<input id="words" type="search" placeholder="words in a row" aria-label="Only rows '
        'with these words">'
    )
    stage = tag(
        "select",
        tag("option", "every stage", value=""),
        *stages,
        id="stage",
        aria_label="Only of a stage",
    )
    order = tag(
        "select", tag("option", "as asked", value=""), *orders, id="order", aria_label="Order"
    )
    shown = tag("span", f"{len(missed)} of {len(missed)}", id="shown", role="status")
    return tag("div", field, stage, order, shown, class_="tools")


def _miss(row: Row) -> str:
    stage = row.stage or ""
    ranks = {"rank": row.rank, "dense": row.dense_rank, "lexical": row.lexical_rank}
    cells = {
        "question": f"{text(row.question)} {tag('small', text(row.id))}",
        "accepted": text(" / ".join(row.answers)) if row.answers else tag("small", "no answer"),
        "said": f"{_said(row)} {tag('small', f'{row.confidence:.0%}')}",
        "lost at": f"{STAGES[stage].title} {tag('small', text(row.detail))}",
        "evidence": f"{tag('small', text(row.document))} {text(row.sentence)}"
        if row.document
        else tag("small", "none"),
        **{name: str(rank or "–") for name, rank in ranks.items()},
    }
    values = {name: rank or _NEVER for name, rank in ranks.items()}
    made = (
        cell(cells[name], _KINDS.get(name), data_label=name, data_value=values.get(name))
        for name in _COLUMNS
    )
    return tag("tr", *made, data_stage=stage)


def _said(row: Row) -> str:
    if row.text is not None:
        return text(row.text)
    return f"{tag('small', 'refused')} {text(row.guess or '')}"


def flips(comparison: Comparison) -> str:
    """The questions that became right, and those that became wrong."""
    rows = [
        tag(
            "tr",
            cell(word, kind),
            cell(text(before.question)),
            cell(_said(before)),
            cell(_said(after)),
        )
        for word, kind, pairs in (
            ("lost", "bad", comparison.lost),
            ("gained", "good", comparison.gained),
        )
        for before, after in pairs
    ]
    said = (
        f"{len(comparison.gained)} questions were gained, {len(comparison.lost)} lost, of "
        f"{comparison.questions}."
    )
    return tag("p", said) + table(heads("", "question", "before", "now"), rows)


def facts(made: Mapping[str, Any]) -> str:
    """Settings and digests, to reproduce the result."""
    grouped = {
        f"{group} {name}": value
        for group in ("index", "models")
        for name, value in made[group].items()
    }
    flat = {"questions": made["gold"], **grouped, **made["settings"], **made["machine"]}
    pairs = (
        tag("dt", escape(str(n))) + tag("dd", tag("code", escape(str(value))))
        for n, value in flat.items()
    )
    return tag("dl", *pairs)
