"""Writes the three files of a result: JSON, HTML and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.errors import writing_to
from rag.evaluation.compare import Comparison
from rag.evaluation.gates import GateVerdict
from rag.evaluation.report.page import page
from rag.evaluation.report.summary import markdown
from rag.evaluation.result import Result


def write(
    result: Result, comparison: Comparison | None, verdicts: Sequence[GateVerdict], out: Path
) -> list[Path]:
    """Write NAME-COMMIT.json, .html and .md to the folder `out`. Raises InputError if they cannot
    be written."""
    base = out / f"{result.facts['name']}-{result.facts['commit']}"
    paths = [base.with_name(f"{base.name}.{ending}") for ending in ("json", "html", "md")]
    with writing_to(out, "name another folder with --out"):
        out.mkdir(parents=True, exist_ok=True)
        result.save(paths[0])
        paths[1].write_text(page(result, comparison, verdicts), encoding="utf-8")
        paths[2].write_text(markdown(result, comparison, verdicts), encoding="utf-8")
    return paths
