"""Figures, tables and ratios, computed only from the phases' files."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.scripts import milliseconds
from rag.evaluation.gold import Question
from rag.evaluation.squad import exact_match, f1

Measured = dict[str, Any]
Row = Mapping[str, Any]
PHASES = ("ingest", "ask", "search")
_DRAWS = 2000


def read(folder: Path) -> dict[str, Measured]:
    """The stored results of the phases that have run."""
    paths = {phase: folder / f"{phase}.json" for phase in PHASES}
    return {phase: json.loads(path.read_text()) for phase, path in paths.items() if path.exists()}


def figures(
    measured: Mapping[str, Measured],
    questions: Sequence[Question],
    passages: Mapping[str, tuple[str, str]],
    tokens: int,
) -> dict[str, dict[str, Any]]:
    """By system, then by phase; `passages`: (document, text) by id; `tokens`: their word-pieces."""
    by_system: dict[str, dict[str, Any]] = defaultdict(dict)
    for phase, content in measured.items():
        for name, rows in content["rows"].items():
            row: dict[str, Any]
            if phase == "ingest":
                seconds, cpu = (float(np.median([r[key] for r in rows])) for key in _SECONDS)
                row = {
                    "seconds": round(seconds, 2),
                    "passages_per_second": round(len(passages) / seconds, 1),
                    "tokens_per_second": round(tokens / seconds),
                    "cpu_seconds": round(cpu, 2),
                }
            else:
                cpu = sum(block["cpu"] for block in content["blocks"][name])
                row = milliseconds([r["seconds"] for r in rows])
                row["cpu_ms"] = round(1000 * cpu / len(rows), 1)
            if phase == "search":
                row["evidence"] = evidence(questions, rows, passages)
            if phase == "ask":
                row |= quality(questions[: len(rows)], rows) | {"questions": len(rows)}
            by_system[name][phase] = row
    return by_system


_SECONDS = ("seconds", "cpu")


def quality(questions: Sequence[Question], rows: Sequence[Row]) -> dict[str, float]:
    """In per cent. `em`, `f1`: over questions with an answer, where a refusal scores 0.
    `forced_f1`: the F1 of the best guesses. `refused`: the share of questions without an answer;
    `wrongly_refused`: of the others. `all_f1`: as in SQuAD 2.0, over both.
    """
    pairs = list(zip([question.answers for question in questions], rows, strict=True))
    answerable = [pair for pair in pairs if pair[0]]
    return {
        "em": _percent([exact_match(row["text"], answers) for answers, row in answerable]),
        "f1": _percent([f1(row["text"], answers) for answers, row in answerable]),
        "forced_f1": _percent([f1(row["guess"], answers) for answers, row in answerable]),
        "wrongly_refused": _percent([row["text"] is None for _, row in answerable]),
        "refused": _percent([row["text"] is None for answers, row in pairs if not answers]),
        "all_f1": _percent([f1(row["text"], answers) for answers, row in pairs]),
    }


def evidence(
    questions: Sequence[Question], rows: Sequence[Row], passages: Mapping[str, tuple[str, str]]
) -> float:
    """Per cent of the questions with evidence for which a retrieved passage contains a whole
    sentence of it. `passages`: (document, text) by id.
    """

    def is_among(question: Question, texts: Sequence[tuple[str, str]]) -> bool:
        return any(
            proof.document == document and proof.sentence in text
            for proof in question.evidence
            for document, text in texts
        )

    pairs = zip(questions, rows, strict=False)
    flags = [is_among(q, [passages[i] for i in r["passages"]]) for q, r in pairs if q.evidence]
    return _percent(flags)


def _percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1) if values else 0.0


_RATIOS = {
    "ask": ("ask", "blocks", "seconds"),
    "ask_cpu": ("ask", "blocks", "cpu"),
    "search": ("search", "blocks", "seconds"),
    "ingest": ("ingest", "rows", "seconds"),
    "ingest_cpu": ("ingest", "rows", "cpu"),
}


def ratios(
    measured: Mapping[str, Measured], base: str = "ours"
) -> dict[str, dict[str, dict[str, float]]]:
    """Seconds of `base` over each system's, for the same questions, by measurement and system."""
    by_measurement = {}
    for name, (phase, group, key) in _RATIOS.items():
        blocks = measured.get(phase, {}).get(group, {})
        seconds = {}
        for system, blocks_of_system in blocks.items():
            seconds[system] = [block[key] for block in blocks_of_system]
        if base in seconds:
            ours = seconds.pop(base)
            by_measurement[name] = {
                system: paired(ours, theirs) for system, theirs in seconds.items()
            }
    return by_measurement


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Ours over theirs by block: the median, and its 95 % interval by bootstrap (Efron 1979)."""
    by_block = np.asarray(ours) / np.asarray(theirs)
    drawn = np.random.default_rng(0).choice(by_block, (_DRAWS, len(by_block)))
    lower_bound, upper_bound = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    values = {"ratio": np.median(by_block), "low": lower_bound, "high": upper_bound}
    return {name: round(float(value), 3) for name, value in values.items()}


def markdown(result: Mapping[str, Any]) -> str:
    """The tables of a result."""
    facts = result["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    loads = ", ".join(
        f"{phase} {load_before} to {load_after}"
        for phase, (load_before, load_after) in facts["load"].items()
    )
    parts = (
        "# Beside other systems",
        f"Commit `{facts['commit']}`, {facts['made']}. {facts['passages']} passages of `seeds/` "
        f"({facts['tokens']:,} word-pieces), {facts['answerable']} questions that they answer and "
        f"{facts['unanswerable']} that they do not. All systems have the same passages, embedder, "
        "reader and number of passages read (8), otherwise their own defaults. `ours` computes in "
        "bf16 if the processor supports it, the others in fp32. Each system is described in "
        "`eval/bench/peers/__init__.py`.",
        *_tables(result["figures"], result["ratios"]),
        "Ratios are medians over blocks, which all systems processed in turn, with 95 % intervals "
        "from resampled blocks; below 1 ours is faster. Load of the machine (1 minute) at the "
        f"beginning and end of each phase: {loads}. Other work on it lengthens times, and CPU "
        "times only a little.",
        f"Machine: {facts['machine']}; {facts['threads']} threads for each system. {versions}.",
        f"Command: `{facts['command']}`",
    )
    return "\n\n".join(parts) + "\n"


def _tables(figures: Mapping[str, Any], ratios: Mapping[str, Any]) -> Iterator[str]:
    for title, phase, columns in _TABLES:
        rows = {name: phases[phase] for name, phases in figures.items() if phase in phases}
        lines = [
            [name, *(_cell(row, key, ratios, name) for key in columns.values())]
            for name, row in rows.items()
        ]
        head = [["", *columns], ["---"] * (len(columns) + 1)]
        if lines:
            table = "\n".join(f"| {' | '.join(cells)} |" for cells in [*head, *lines])
            yield f"## {title}\n\n{table}"


def _cell(row: Row, key: str, ratios: Mapping[str, Any], name: str) -> str:
    """`key` is a key of the row, or "ratio:" and the key of a ratio."""
    if not key.startswith("ratio:"):
        return f"{row[key]:,}"
    ratio = ratios.get(key.removeprefix("ratio:"), {}).get(name)
    return "{ratio:.2f} [{low:.2f}, {high:.2f}]".format(**ratio) if ratio else ""


_TABLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Asking, one question at a time", "ask", {
        "p50 ms": "p50", "p95 ms": "p95", "CPU ms a question": "cpu_ms",
        "time, ours / its": "ratio:ask", "CPU, ours / its": "ratio:ask_cpu",
    }),
    ("Answers at each system's own default, per cent", "ask", {
        "questions": "questions", "EM": "em", "F1": "f1", "F1 if it may not refuse": "forced_f1",
        "F1 over all": "all_f1", "refused, of those without an answer": "refused",
        "refused, of those with one": "wrongly_refused",
    }),
    ("Ingest: embed and index, models loaded", "ingest", {
        "seconds": "seconds", "passages a second": "passages_per_second",
        "word-pieces a second": "tokens_per_second", "CPU seconds": "cpu_seconds",
        "time, ours / its": "ratio:ingest", "CPU, ours / its": "ratio:ingest_cpu",
    }),
    ("Search: the best 8 passages", "search", {
        "p50 ms": "p50", "p95 ms": "p95", "evidence among them, %": "evidence",
        "time, ours / its": "ratio:search",
    }),
)  # fmt: skip
