"""A result, or a comparison of two, in words: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import starmap
from typing import Any

from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import Gate
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.result import Comparison, MetricChange, Result, Summary

_SHOWN = 20


def head(result: Result) -> str:
    """The questions and the documents of a result."""
    counts = result.summary.counts
    index = result.facts["index"]

    kinds = [f"{counts[k]:,} {k}" for k in ("answerable", "unanswerable") if counts.get(k)]
    questions = f"{counts['questions']:,} questions"
    if kinds:
        questions += f" ({', '.join(kinds)})"

    return f"{questions} of {index['documents']:,} documents, {index['passages']:,} passages"


def text(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary for a terminal."""
    facts = result.facts
    stages = result.summary.stages

    lines = [f"{facts['name']}, commit {facts['commit']}: {head(result)}", ""]
    for title, value, change in _rows(result, comparison):
        gap = "  " if change else ""
        lines.append(f"  {title:34} {value}{gap}{change}")

    if stages:
        lines += ["", f"Where {sum(stages.values()):,} questions were lost"]
        for name, count in stages.items():
            lines.append(f"  {count:6,}  {STAGES[name].title}: {STAGES[name].meaning}")

    if comparison:
        gained, lost = len(comparison.gained), len(comparison.lost)
        lines += ["", f"Since the baseline {gained} questions were gained, {lost} lost"]

    if verdicts:
        lines += ["", *map(str, verdicts)]

    return "\n".join(lines)


def markdown(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary as Markdown, for a pull request or a page."""
    facts = result.facts
    stages = result.summary.stages

    lines = [f"# {facts['name']}", ""]
    lines += [f"{head(result)}. Commit `{facts['commit']}`, {facts['made']}.", ""]

    if verdicts:
        lines += [f"- {verdict}" for verdict in verdicts]
        lines.append("")

    title_of_changes = "change [95 %]" if comparison else ""
    lines += [f"| | % [95 %] | {title_of_changes} |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(result, comparison)]

    if stages:
        lines += ["", "| lost at | questions | what happened | what to try |", "|---|---|---|---|"]
        for name, count in stages.items():
            stage = STAGES[name]
            lines.append(f"| {stage.title} | {count} | {stage.meaning} | {stage.remedy} |")

    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items())
    lines += ["", f"Settings: `{settings}`", "", f"Digests: {_digests(facts)}"]

    return "\n".join(lines) + "\n"


def _rows(result: Result, comparison: Comparison | None) -> Iterator[tuple[str, str, str]]:
    """Title, value and change of every figure."""
    summary = result.summary
    changes = comparison.changes if comparison else {}

    for name in summary.metrics:
        change = _change(changes[name]) if name in changes else ""
        yield METRICS[name].title, _value(summary, name), change

    times = [f"{name} {ms:.0f}" for name, ms in summary.latency["total"].items()]
    yield "Milliseconds per question", ", ".join(times), ""


def _digests(facts: Mapping[str, Any]) -> str:
    digests = {"index": facts["index"]["sha256"], "questions": facts["gold"], **facts["models"]}
    return ", ".join(f"{name} `{value[:12]}`" for name, value in digests.items())


def _value(summary: Summary, name: str) -> str:
    value = f"{100 * summary.metrics[name]:5.1f}"
    if name not in summary.intervals:
        return value

    least, greatest = summary.intervals[name]
    return f"{value}  [{100 * least:.1f}, {100 * greatest:.1f}]"


def _change(change: MetricChange) -> str:
    difference = f"{100 * (change.after - change.before):+.1f}"
    if change.interval is None:
        return difference

    least, greatest = change.interval
    star = " *" if change.sure else ""
    return f"{difference} [{100 * least:+.1f}, {100 * greatest:+.1f}]{star}"


def comparison_text(previous: Result, current: Result, comparison: Comparison) -> str:
    """The comparison for a terminal; * marks significant differences."""
    names = [f"{result.facts['name']} {result.facts['commit']}" for result in (previous, current)]
    lines = [f"{' -> '.join(names)}: {comparison.questions:,} questions in common"]
    if comparison.alone:
        lines.append(f"{comparison.alone:,} questions that occur in only one result are left out")
    lines.append("")

    for name, change in comparison.changes.items():
        values = f"{100 * change.before:5.1f} -> {100 * change.after:5.1f}"
        lines.append(f"  {METRICS[name].title:34} {values}  {_change(change)}")

    note = "the 95 % interval of the difference excludes 0 (paired bootstrap over documents)"
    lines += ["", f"  * {note}"]
    lines += _flips("gained", comparison.gained)
    lines += _flips("lost", comparison.lost)

    return "\n".join(lines)


def _flips(title: str, pairs: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """The questions whose answer became right, or wrong, with both answers."""
    yield ""
    yield f"{len(pairs)} {title}"

    for previous, current in pairs[:_SHOWN]:
        yield f"  {previous.id}  {previous.question}  {_quoted(previous)} -> {_quoted(current)}"

    if len(pairs) > _SHOWN:
        yield f"  and {len(pairs) - _SHOWN} more; --json lists all"


def _quoted(row: Row) -> str:
    return f'"{row.text}"' if row.text is not None else "refused"


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison for --json."""
    metrics = {
        name: asdict(change) | {"difference": change.after - change.before, "sure": change.sure}
        for name, change in comparison.changes.items()
    }

    return {
        "questions": comparison.questions,
        "alone": comparison.alone,
        "metrics": metrics,
        "gained": list(starmap(_flip_dict, comparison.gained)),
        "lost": list(starmap(_flip_dict, comparison.lost)),
    }


def _flip_dict(previous: Row, current: Row) -> dict[str, Any]:
    return {
        "id": previous.id,
        "question": previous.question,
        "before": previous.text,
        "after": current.text,
        "stage": current.stage,
    }
