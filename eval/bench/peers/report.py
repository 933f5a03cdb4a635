"""The measurements as figures, a table and a plot, computed only from the phases' files so that
they can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.bench.peers.arithmetic import evidence, paired, percentiles, quality
from eval.bench.peers.measure import AT_ONCE, BLOCK, SEARCH_BLOCK, TOGETHER_BLOCK, Measured
from rag.evaluation.gold import Question

Figures = dict[str, dict[str, Any]]


def figures(
    measured: Mapping[str, Measured],
    questions: Sequence[Question],
    passages: Mapping[str, tuple[str, str]],
) -> Figures:
    """By system, then by phase; `passages`: (document, text) by id."""
    made: Figures = {}
    for phase, found in measured.items():
        for name, rows in found["rows"].items():
            made.setdefault(name, {})[phase] = _OF[phase](name, rows, found, questions, passages)
    for name in measured.get("search", {}).get("start", {}):
        made[name]["start"] = _start(name, measured["search"])
    return made


def _ingest(
    _: str, rows: Any, __: Measured, ___: Sequence[Question], passages: Mapping[str, Any]
) -> dict[str, Any]:
    seconds = sorted(row["ingest"] for row in rows)
    median, cpu = seconds[len(seconds) // 2], sorted(row["cpu"] for row in rows)[len(rows) // 2]
    return {
        "seconds": round(median, 2),
        "passages_per_second": round(len(passages) / median, 1),
        "cpu_seconds": round(cpu, 2),
    }


def _search(
    _: str,
    rows: Any,
    found: Measured,
    questions: Sequence[Question],
    passages: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    asked = questions[found["first"] :][: len(rows)]
    return percentiles([row["seconds"] for row in rows]) | {
        "evidence": evidence(asked, rows, passages)
    }


def _start(name: str, found: Measured) -> dict[str, Any]:
    """Seconds until the system could answer, and memory after the questions asked one at a time."""
    memory = {kind: round(value) for kind, value in found["memory"][name].items()}
    return {
        kind: round(found["start"][name][kind], 2)
        for kind in ("ready", "imports", "models", "index")
    } | memory


def _alone(
    name: str, rows: Any, found: Measured, _: Sequence[Question], __: Mapping[str, Any]
) -> dict[str, Any]:
    return percentiles([row["seconds"] for row in rows]) | {
        "cpu_ms": round(1000 * sum(block["cpu"] for block in found["blocks"][name]) / len(rows), 1)
    }


def _together(
    name: str, rows: Any, found: Measured, __: Sequence[Question], ___: Mapping[str, Any]
) -> dict[str, Any]:
    per_second = round(len(rows) / sum(block["seconds"] for block in found["blocks"][name]), 2)
    return percentiles([row["seconds"] for row in rows]) | {"per_second": per_second}


def _quality(
    _: str, rows: Any, __: Measured, questions: Sequence[Question], ___: Mapping[str, Any]
) -> dict[str, Any]:
    return quality(questions[: len(rows)], rows) | {"questions": len(rows)}


_OF = {
    "quality": _quality,
    "ingest": _ingest,
    "search": _search,
    "alone": _alone,
    "together": _together,
}


def ratios(
    measured: Mapping[str, Measured], base: str = "ours"
) -> dict[str, dict[str, dict[str, float]]]:
    """By measurement, then by system: seconds of `base` divided by the system's own, for the same
    questions."""
    blocks: dict[str, dict[str, list[float]]] = {}
    for phase, size in (("alone", BLOCK), ("search", SEARCH_BLOCK)):
        if phase in measured:
            blocks[phase] = {
                name: _blocks(rows, size) for name, rows in measured[phase]["rows"].items()
            }
    for what, phase, group, field in _RECORDED:
        if phase in measured:
            blocks[what] = {
                name: [one[field] for one in found]
                for name, found in measured[phase][group].items()
            }
    return {
        what: {name: paired(found[base], others) for name, others in found.items() if name != base}
        for what, found in blocks.items()
        if base in found
    }


_RECORDED = (
    ("alone_cpu", "alone", "blocks", "cpu"),
    ("together", "together", "blocks", "seconds"),
    ("ingest", "ingest", "rows", "ingest"),
    ("ingest_cpu", "ingest", "rows", "cpu"),
)


def _blocks(rows: Sequence[Mapping[str, float]], size: int) -> list[float]:
    """Seconds of each block asked at once."""
    return [sum(row["seconds"] for row in rows[at : at + size]) for at in range(0, len(rows), size)]


def markdown(result: Mapping[str, Any]) -> str:
    """The tables of a result."""
    return "\n\n".join([_head(result), *_tables(result), _foot(result)]) + "\n"


def _head(result: Mapping[str, Any]) -> str:
    facts = result["facts"]
    return (
        f"# Beside other systems\n\nCommit `{facts['commit']}`, {facts['made']}. "
        f"{facts['passages']} passages of `seeds/` "
        f"({facts['tokens']:,} word-pieces), {facts['answerable']} questions that they answer and "
        f"{facts['unanswerable']} that "
        f"they do not. The same passages, embedder, reader and number of passages read (8) for "
        f"all; every system at its own "
        f"defaults otherwise, in fp32 but for `ours`. What each system is: "
        f"`eval/bench/peers/__init__.py`."
    )


def _tables(result: Mapping[str, Any]) -> list[str]:
    figures, ratios = result["figures"], result["ratios"]
    made = []
    for title, phase, columns in _TABLES:
        rows = {name: found[phase] for name, found in figures.items() if phase in found}
        if rows:
            head = [
                "| | " + " | ".join(column for column, _ in columns) + " |",
                "|---" * (len(columns) + 1) + "|",
            ]
            body = [
                _row(name, [_cell(name, row, key, ratios) for _, key in columns])
                for name, row in rows.items()
            ]
            made.append("\n".join([f"## {title}", "", *head, *body]))
    return made


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def _cell(name: str, row: Mapping[str, Any], key: str, ratios: Mapping[str, Any]) -> str:
    """`key` is a key of the row, or "ratio:" and the key of a ratio."""
    if key.startswith("ratio:"):
        found = ratios.get(key.removeprefix("ratio:"), {}).get(name)
        return f"{found['ratio']:.2f} [{found['low']:.2f}, {found['high']:.2f}]" if found else ""
    return f"{row[key]:,}"


_TABLES = (
    (
        "Asking, one question at a time", "alone",
        (
            ("p50 ms", "p50"), ("p95 ms", "p95"), ("CPU ms a question", "cpu_ms"),
            ("time, ours / its", "ratio:alone"), ("CPU, ours / its", "ratio:alone_cpu"),
        ),
    ),
    (
        "Answers at each system's own default, per cent", "quality",
        (
            ("questions", "questions"), ("EM", "em"), ("F1", "f1"),
            ("F1 if it may not refuse", "forced_f1"), ("F1 over all", "all_f1"),
            ("refused, of those without an answer", "refused"),
            ("refused, of those with one", "wrongly_refused"),
        ),
    ),
    (
        f"Asking, {AT_ONCE} at a time (blocks of {TOGETHER_BLOCK} questions)", "together",
        (
            ("p50 ms", "p50"), ("p95 ms", "p95"), ("questions a second", "per_second"),
            ("time, ours / its", "ratio:together"),
        ),
    ),
    (
        "Ingest: embed and index, models loaded", "ingest",
        (
            ("seconds", "seconds"), ("passages a second", "passages_per_second"),
            ("word-pieces a second", "tokens_per_second"), ("CPU seconds", "cpu_seconds"),
            ("time, ours / its", "ratio:ingest"), ("CPU, ours / its", "ratio:ingest_cpu"),
        ),
    ),
    (
        "Search: the best 8 passages", "search",
        (
            ("p50 ms", "p50"), ("p95 ms", "p95"), ("evidence among them, %", "evidence"),
            ("time, ours / its", "ratio:search"),
        ),
    ),
    (
        "Start and memory of the asking process", "start",
        (
            ("ready after, s", "ready"), ("imports, s", "imports"), ("models, s", "models"),
            ("index, s", "index"), ("resident, MiB", "resident"),
            ("not of mapped files, MiB", "anonymous"), ("peak, MiB", "peak"),
        ),
    ),
)  # fmt: skip


def _foot(result: Mapping[str, Any]) -> str:
    facts = result["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    loads = ", ".join(f"{phase} {low} to {high}" for phase, (low, high) in facts["load"].items())
    return (
        "Ratios are medians over blocks that all systems were given one after the other, with 95 "
        "% intervals of blocks drawn "
        f"anew; below 1 ours is faster. Load of the machine (1 minute) at the begin and end of "
        f"each phase: {loads}; it does "
        "other work too, which makes times longer and CPU times little so.\n\n"
        f"Machine: {facts['machine']}; {facts['threads']} threads for each system. {versions}.\n\n"
        f"Command: `{facts['command']}`"
    )


def read(work: Path, phases: Sequence[str]) -> dict[str, Measured]:
    """The stored results of the phases that have run. The answers of `alone` substitute for missing
    ones of `quality`."""
    paths = {phase: work / f"{phase}.json" for phase in phases}
    found: dict[str, Measured] = {
        phase: json.loads(path.read_text()) for phase, path in paths.items() if path.exists()
    }
    return {"quality": found["alone"], **found} if "alone" in found else found
