"""A result, or a comparison of two, in words: for the terminal, and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import Gate
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.result import Comparison, MetricChange, Result, Summary
from rag.render.status import plural

_MOST_LISTED = 20
_LISTED = 10
"""Lost questions that the terminal lists."""
_LONGEST_ANSWER = 80
"""Characters of an answer in that list."""


def head(result: Result) -> str:
    """The questions and the documents of a result."""
    counts = result.summary.counts
    kinds = []
    for kind in ("answerable", "unanswerable"):
        if counts.get(kind):
            kinds.append(f"{counts[kind]:,} {kind}")

    questions = plural(counts["questions"], "question")
    if kinds:
        questions += f" ({', '.join(kinds)})"

    index = result.facts["index"]
    documents = plural(index["documents"], "document")
    passages = plural(index["passages"], "passage")
    return f"{questions} of {documents}, {passages}"


def text(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary for a terminal."""
    facts = result.facts
    lines = [f"{facts['name']}, commit {facts['commit']}: {head(result)}", ""]
    for title, value, change in _rows(result, comparison):
        line = f"  {title:34} {value}"
        if change:
            line += f"  {change}"
        lines.append(line)

    stages = result.summary.stages
    if stages:
        count_lost = sum(stages.values())
        lines += ["", f"Where {count_lost:,} questions were lost"]
        for name, count in stages.items():
            stage = STAGES[name]
            lines.append(f"  {count:6,}  {stage.title}: {stage.meaning}")
        lines += ["", *_lines_on_lost(result.rows)]

    if comparison:
        gained = len(comparison.gained)
        lost = len(comparison.lost)
        lines += ["", f"Since the baseline {gained} questions were gained, {lost} lost"]

    if verdicts:
        lines.append("")
        lines += [str(verdict) for verdict in verdicts]

    return "\n".join(lines)


def _lines_on_lost(rows: Sequence[Row]) -> Iterator[str]:
    """The first few questions that were lost, with what was said and what was expected."""
    lost = [row for row in rows if row.stage is not None]
    for row in lost[:_LISTED]:
        said = textwrap.shorten(_quoted(row), _LONGEST_ANSWER, placeholder="…")
        expected = f', expected "{row.answers[0]}"' if row.answers else ""
        yield f"  {row.question}"
        yield f"          {said}{expected}"
    if len(lost) > _LISTED:
        yield f"  and {len(lost) - _LISTED:,} more; --out FOLDER lists all"


def markdown(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary as Markdown, for a pull request or a page."""
    facts = result.facts
    lines = [
        f"# {facts['name']}",
        "",
        f"{head(result)}. Commit `{facts['commit']}`, {facts['made']}.",
        "",
    ]

    if verdicts:
        lines += [f"- {verdict}" for verdict in verdicts]
        lines.append("")

    title_of_changes = "change [95 %]" if comparison else ""
    lines += [f"| | % [95 %] | {title_of_changes} |", "|---|---|---|"]
    for row in _rows(result, comparison):
        lines.append(_table_row(*row))

    stages = result.summary.stages
    if stages:
        lines += ["", "| lost at | questions | what happened | what to try |", "|---|---|---|---|"]
        for name, count in stages.items():
            stage = STAGES[name]
            lines.append(_table_row(stage.title, str(count), stage.meaning, stage.remedy))

    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items())
    lines += [
        "",
        f"Settings: `{settings}`",
        "",
        f"Digests: {_digests(facts)}",
    ]
    return "\n".join(lines) + "\n"


def _table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(result: Result, comparison: Comparison | None) -> Iterator[tuple[str, str, str]]:
    """Title, value and change of every figure."""
    summary = result.summary
    changes = comparison.changes if comparison else {}

    for name in summary.metrics:
        change = ""
        if name in changes:
            change = _change(changes[name])
        yield METRICS[name].title, _value(summary, name), change

    times = []
    for name, ms in summary.latency["total"].items():
        times.append(f"{name} {ms:.0f}")
    yield "Milliseconds per question", ", ".join(times), ""


def _digests(facts: Mapping[str, Any]) -> str:
    digests = {
        "index": facts["index"]["sha256"],
        "questions": facts["gold"],
        **facts["models"],
    }
    parts = []
    for name, digest in digests.items():
        parts.append(f"{name} `{digest[:12]}`")
    return ", ".join(parts)


def _value(summary: Summary, name: str) -> str:
    value = f"{_percent(summary.metrics[name]):5.1f}"
    if name not in summary.intervals:
        return value

    lower_bound, upper_bound = summary.intervals[name]
    return f"{value}  [{_percent(lower_bound):.1f}, {_percent(upper_bound):.1f}]"


def _percent(share: float) -> float:
    return 100 * share


def _change(change: MetricChange) -> str:
    difference = f"{_percent(change.after - change.before):+.1f}"
    if change.interval is None:
        return difference

    lower_bound, upper_bound = change.interval
    interval = f"[{_percent(lower_bound):+.1f}, {_percent(upper_bound):+.1f}]"
    star = " *" if change.is_sure else ""
    return f"{difference} {interval}{star}"


def comparison_text(result_before: Result, result_after: Result, comparison: Comparison) -> str:
    """The comparison for a terminal; * marks significant differences."""
    names = f"{_run_name(result_before)} -> {_run_name(result_after)}"
    lines = [f"{names}: {comparison.questions:,} questions in common"]
    if comparison.alone:
        lines.append(f"{comparison.alone:,} questions that occur in only one result are left out")
    lines.append("")

    for name, change in comparison.changes.items():
        title = METRICS[name].title
        value_before = _percent(change.before)
        value_after = _percent(change.after)
        lines.append(f"  {title:34} {value_before:5.1f} -> {value_after:5.1f}  {_change(change)}")

    note = "the 95 % interval of the difference excludes 0 (paired bootstrap over documents)"
    lines += ["", f"  * {note}"]
    lines += _flips("gained", comparison.gained)
    lines += _flips("lost", comparison.lost)

    return "\n".join(lines)


def _run_name(result: Result) -> str:
    return f"{result.facts['name']} {result.facts['commit']}"


def _flips(title: str, pairs: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """The questions whose answer became right, or wrong, with both answers."""
    yield ""
    yield f"{len(pairs)} {title}"

    for row_before, row_after in pairs[:_MOST_LISTED]:
        answers = f"{_quoted(row_before)} -> {_quoted(row_after)}"
        yield f"  {row_before.id}  {row_before.question}  {answers}"

    unshown = len(pairs) - _MOST_LISTED
    if unshown > 0:
        yield f"  and {unshown} more; --json lists all"


def _quoted(row: Row) -> str:
    return f'"{row.text}"' if row.text is not None else "refused"


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison for --json."""
    metrics = {}
    for name, change in comparison.changes.items():
        metrics[name] = {
            **asdict(change),
            "difference": change.after - change.before,
            "sure": change.is_sure,
        }

    return {
        "questions": comparison.questions,
        "alone": comparison.alone,
        "metrics": metrics,
        "gained": [_flip_dict(*pair) for pair in comparison.gained],
        "lost": [_flip_dict(*pair) for pair in comparison.lost],
    }


def _flip_dict(row_before: Row, row_after: Row) -> dict[str, Any]:
    return {
        "id": row_before.id,
        "question": row_before.question,
        "before": row_before.text,
        "after": row_after.text,
        "stage": row_after.stage,
    }
