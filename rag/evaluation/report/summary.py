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
    counts, index = result.summary.counts, result.facts["index"]
    kinds = [f"{counts[k]:,} {k}" for k in ("answerable", "unanswerable") if counts.get(k)]
    questions = f"{counts['questions']:,} questions" + (f" ({', '.join(kinds)})" if kinds else "")
    return f"{questions} of {index['documents']:,} documents, {index['passages']:,} passages"


def text(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary for a terminal."""
    summary = result.summary
    lines = [f"{result.facts['name']}, commit {result.facts['commit']}: {head(result)}", ""]
    for title, value, change in _rows(result, comparison):
        lines.append(f"  {title:34} {value}{'  ' if change else ''}{change}")
    if summary.stages:
        lines += ["", f"Where {sum(summary.stages.values()):,} questions were lost"]
        lines += [
            f"  {count:6,}  {STAGES[name].title}: {STAGES[name].meaning}"
            for name, count in summary.stages.items()
        ]
    if comparison:
        flips = f"{len(comparison.gained)} questions were gained, {len(comparison.lost)} lost"
        lines += ["", f"Since the baseline {flips}"]
    return "\n".join(lines + ([""] if verdicts else []) + [str(verdict) for verdict in verdicts])


def markdown(result: Result, comparison: Comparison | None, verdicts: Sequence[Gate]) -> str:
    """The summary as Markdown, for a pull request or a page."""
    summary, facts = result.summary, result.facts
    lines = [f"# {facts['name']}", ""]
    lines += [f"{head(result)}. Commit `{facts['commit']}`, {facts['made']}.", ""]
    lines += [*(f"- {verdict}" for verdict in verdicts), ""] if verdicts else []
    lines += [f"| | % [95 %] | {'change [95 %]' if comparison else ''} |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(result, comparison)]
    if summary.stages:
        lines += ["", "| lost at | questions | what happened | what to try |", "|---|---|---|---|"]
        for name, count in summary.stages.items():
            stage = STAGES[name]
            lines.append(f"| {stage.title} | {count} | {stage.meaning} | {stage.remedy} |")
    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items())
    lines += ["", f"Settings: `{settings}`", "", "Digests: " + _digests(facts)]
    return "\n".join(lines) + "\n"


def _rows(result: Result, comparison: Comparison | None) -> Iterator[tuple[str, str, str]]:
    """Title, value and change of every figure."""
    summary, changes = result.summary, comparison.changes if comparison else {}
    for name in summary.metrics:
        change = _change(changes[name]) if name in changes else ""
        yield METRICS[name].title, _value(summary, name), change
    times = summary.latency["total"].items()
    yield "Milliseconds per question", ", ".join(f"{name} {ms:.0f}" for name, ms in times), ""


def _digests(facts: Mapping[str, Any]) -> str:
    digests = {"index": facts["index"]["sha256"], "questions": facts["gold"], **facts["models"]}
    return ", ".join(f"{name} `{value[:12]}`" for name, value in digests.items())


def _value(summary: Summary, name: str) -> str:
    value = f"{100 * summary.metrics[name]:5.1f}"
    if name not in summary.intervals:
        return value
    low, high = summary.intervals[name]
    return f"{value}  [{100 * low:.1f}, {100 * high:.1f}]"


def _change(change: MetricChange) -> str:
    moved = f"{100 * (change.after - change.before):+.1f}"
    if change.interval is None:
        return moved
    low, high = change.interval
    return f"{moved} [{100 * low:+.1f}, {100 * high:+.1f}]{' *' if change.sure else ''}"


def comparison_text(before: Result, after: Result, comparison: Comparison) -> str:
    """The comparison for a terminal; * marks significant differences."""
    names = [f"{result.facts['name']} {result.facts['commit']}" for result in (before, after)]
    lines = [f"{' -> '.join(names)}: {comparison.questions:,} questions in common"]
    if comparison.alone:
        lines.append(f"{comparison.alone:,} questions that occur in only one result are left out")
    lines.append("")
    for name, change in comparison.changes.items():
        values = f"{100 * change.before:5.1f} -> {100 * change.after:5.1f}"
        lines.append(f"  {METRICS[name].title:34} {values}  {_change(change)}")
    note = "the 95 % interval of the difference excludes 0 (paired bootstrap over documents)"
    lines += ["", f"  * {note}"]
    for title, pairs in (("gained", comparison.gained), ("lost", comparison.lost)):
        lines += ["", f"{len(pairs)} {title}"]
        for row_before, row_after in pairs[:_SHOWN]:
            answers = f"{_quoted(row_before)} -> {_quoted(row_after)}"
            lines.append(f"  {row_before.id}  {row_before.question}  {answers}")
        if len(pairs) > _SHOWN:
            lines.append(f"  and {len(pairs) - _SHOWN} more; --json lists all")
    return "\n".join(lines)


def _quoted(row: Row) -> str:
    return f'"{row.text}"' if row.text is not None else "refused"


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison for --json."""
    metrics = {
        name: asdict(change) | {"difference": change.after - change.before, "sure": change.sure}
        for name, change in comparison.changes.items()
    }

    def flip(a: Row, b: Row) -> dict[str, Any]:
        texts = {"before": a.text, "after": b.text}
        return {"id": a.id, "question": a.question, **texts, "stage": b.stage}

    gained, lost = (list(starmap(flip, pairs)) for pairs in (comparison.gained, comparison.lost))
    counts = {"questions": comparison.questions, "alone": comparison.alone}
    return {**counts, "metrics": metrics, "gained": gained, "lost": lost}
