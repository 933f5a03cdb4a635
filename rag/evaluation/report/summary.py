"""A result, or a comparison of two, in words: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.evaluation.compare import Change, Comparison
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.gates import GateVerdict
from rag.evaluation.metrics import METRICS
from rag.evaluation.records import Row
from rag.evaluation.result import Result, Summary

_SHOWN = 20


def head(result: Result) -> str:
    """The questions and the documents of a result."""
    counts, index = result.summary.counts, result.facts["index"]
    kinds = ", ".join(
        f"{counts[kind]:,} {kind}" for kind in ("answerable", "unanswerable") if counts.get(kind)
    )
    asked = f"{counts['questions']:,} questions" + (f" ({kinds})" if kinds else "")
    return f"{asked} of {index['documents']:,} documents, {index['passages']:,} passages"


def text(result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]) -> str:
    """The summary for a terminal."""
    summary = result.summary
    lines = [f"{result.facts['name']}, commit {result.facts['commit']}: {head(result)}", ""]
    for name in summary.metrics:
        change = (
            f"  {_change(comparison.changes[name])}"
            if comparison and name in comparison.changes
            else ""
        )
        lines.append(f"  {METRICS[name].title:34} {_value(summary, name)}{change}")
    lines.append(f"  {'Milliseconds per question':34} {_waiting(summary)}")
    if summary.stages:
        lines += ["", f"Where {sum(summary.stages.values()):,} questions were lost"]
        lines += [
            f"  {count:6,}  {STAGES[name].title}: {STAGES[name].meaning}"
            for name, count in summary.stages.items()
        ]
    if comparison:
        lines += [
            "",
            f"Since the baseline {len(comparison.gained)} questions were gained, "
            f"{len(comparison.lost)} lost",
        ]
    return "\n".join(lines + ([""] if verdicts else []) + [str(verdict) for verdict in verdicts])


def markdown(result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]) -> str:
    """The summary as Markdown, for a pull request or a page."""
    return "\n".join(_markdown(result, comparison, verdicts)) + "\n"


def _markdown(
    result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict]
) -> Iterator[str]:
    summary, facts = result.summary, result.facts
    yield from (
        f"# {facts['name']}",
        "",
        f"{head(result)}. Commit `{facts['commit']}`, {facts['made']}.",
        "",
    )
    if verdicts:
        yield from (*(f"- {verdict}" for verdict in verdicts), "")
    changed = "change [95 %]" if comparison else ""
    yield from (f"| | % [95 %] | {changed} |", "|---|---|---|")
    for name in summary.metrics:
        change = (
            _change(comparison.changes[name]) if comparison and name in comparison.changes else ""
        )
        yield f"| {METRICS[name].title} | {_value(summary, name)} | {change} |"
    yield f"| Milliseconds per question | {_waiting(summary)} | |"
    if summary.stages:
        yield from (
            "",
            "| lost at | questions | what happened | what to try |",
            "|---|---|---|---|",
        )
        for name, count in summary.stages.items():
            yield (
                f"| {STAGES[name].title} | {count} | {STAGES[name].meaning} | "
                f"{STAGES[name].remedy} |"
            )
    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items())
    yield from ("", f"Settings: `{settings}`", "", "Digests: " + _digests(facts))


def _digests(facts: Mapping[str, Any]) -> str:
    digests = {"index": facts["index"]["sha256"], "questions": facts["gold"], **facts["models"]}
    return ", ".join(f"{name} `{value[:12]}`" for name, value in digests.items())


def _value(summary: Summary, name: str) -> str:
    value = f"{100 * summary.metrics[name]:5.1f}"
    low, high = summary.intervals.get(name, (None, None))
    return value if low is None or high is None else f"{value}  [{100 * low:.1f}, {100 * high:.1f}]"


def _waiting(summary: Summary) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in summary.latency["total"].items())


def _change(change: Change) -> str:
    moved = f"{100 * (change.after - change.before):+.1f}"
    if change.interval is None:
        return moved
    low, high = change.interval
    return f"{moved} [{100 * low:+.1f}, {100 * high:+.1f}]{' *' if change.sure else ''}"


def comparison_text(before: Result, after: Result, found: Comparison) -> str:
    """The comparison for a terminal; * marks significant differences."""
    lines = [f"{_name(before)} -> {_name(after)}: {found.questions:,} questions in common"]
    lines += (
        [f"{found.alone:,} questions that occur in only one result are left out"]
        if found.alone
        else []
    )
    lines.append("")
    for name, change in found.changes.items():
        lines.append(
            f"  {METRICS[name].title:34} {100 * change.before:5.1f} -> {100 * change.after:5.1f}  "
            f"{_change(change)}"
        )
    lines += [
        "",
        "  * the 95 % interval of the difference excludes 0 (paired bootstrap over documents)",
    ]
    for title, pairs in (("gained", found.gained), ("lost", found.lost)):
        lines += ["", f"{len(pairs)} {title}", *(_flip(*pair) for pair in pairs[:_SHOWN])]
        lines += (
            [f"  and {len(pairs) - _SHOWN} more; --json lists all"] if len(pairs) > _SHOWN else []
        )
    return "\n".join(lines)


def _name(result: Result) -> str:
    return f"{result.facts['name']} {result.facts['commit']}"


def _flip(before: Row, after: Row) -> str:
    return f"  {before.id}  {before.question}  {_said(before)} -> {_said(after)}"


def _said(row: Row) -> str:
    return f'"{row.text}"' if row.text is not None else "refused"


def comparison_dict(found: Comparison) -> dict[str, Any]:
    """The comparison for --json."""
    changes = {
        name: {
            "before": c.before,
            "after": c.after,
            "difference": c.after - c.before,
            "interval": c.interval,
            "sure": c.sure,
        }
        for name, c in found.changes.items()
    }
    flips = {
        title: [
            {
                "id": a.id,
                "question": a.question,
                "before": a.text,
                "after": b.text,
                "stage": b.stage,
            }
            for a, b in pairs
        ]
        for title, pairs in (("gained", found.gained), ("lost", found.lost))
    }
    return {"questions": found.questions, "alone": found.alone, "metrics": changes, **flips}
