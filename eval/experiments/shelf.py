"""Asks the questions of eval/gold/shelf.jsonl, which need all documents of eval/gold/shelf/.

    python -m eval.experiments.shelf --index DIR [--half report] [--wording plain] [--out FILE]

DIR is an index of eval/gold/shelf (`rag ingest eval/gold/shelf`). Questions with an even number are
for reporting, the others for fitting. An answer is exact if it names all and only the right
documents and has the right count, sum or name; a document that does not say is never counted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from eval.scripts import GOLD, OUT, PATH, finished, script
from rag import build
from rag.evaluation.set_files import json_lines
from rag.settings import Settings
from rag.types import Answer

Row = dict[str, Any]


def named_documents(answer: Answer) -> set[str]:
    """The file names of the documents that an answer cites."""
    return {citation.document_id.rpartition("/")[2] for citation in answer.citations}


def is_exact(row: Row, answer: Answer) -> bool:
    """Whether an answer names all and only the right documents, and says the right value."""
    text = answer.text or ""
    if "answer" in row and row["answer"].endswith(".md"):
        first_citation = answer.citations[:1]
        return bool(answer.grid and first_citation) and first_citation[0].document_id.endswith(
            row["answer"]
        )
    if "answer" in row:
        return row["answer"].casefold() in text.casefold()
    if named_documents(answer) != set(row["documents"]):
        return False
    if answer.grid is None or not row["value"] or answer.value is None:
        return True
    return answer.value.number == float(row["value"])


def judgement_of(row: Row, answer: Answer) -> Row:
    """What the answer got right."""
    expected = set(row["documents"])
    answered_documents = named_documents(answer)
    grid = answer.grid
    return {
        "id": row["id"],
        "exact": is_exact(row, answer),
        "grid": grid is not None,
        "answered": answer.text is not None,
        "missed": sorted(expected - answered_documents),
        "wrong": sorted(answered_documents - expected),
        "counts": grid.counts if grid else {},
        "said": (answer.text or answer.abstention_reason or "").split("\n")[0][:120],
        "outcomes": {} if grid is None else _outcomes(grid.to_dict()),
    }


def _outcomes(grid: Mapping[str, Any]) -> Row:
    return {
        row["document_id"].rpartition("/")[2]: [
            row["outcome"],
            *(f"{cell['probability']:.2f} {cell['value'][:40]}" for cell in row["cells"]),
        ]
        for row in grid["rows"]
    }


def summary(results: list[Row]) -> Row:
    """Shares and counts over the questions."""
    grids = [result for result in results if result["grid"]]
    return {
        "questions": len(results),
        "exact": sum(result["exact"] for result in results),
        "asked as a grid": len(grids),
        "exact of these": sum(result["exact"] for result in grids),
        "answered but not exact": sum(
            result["answered"] and not result["exact"] for result in results
        ),
        "documents missed": sum(len(result["missed"]) for result in grids),
        "documents wrongly named": sum(
            len(result["wrong"]) for result in grids if result["answered"]
        ),
    }


@script(__doc__)
@click.option("--index", type=PATH, required=True, help="Index of eval/gold/shelf.")
@click.option("--half", default="report", type=click.Choice(["fit", "report"]))
@click.option("--wording", default="question", type=click.Choice(["question", "plain"]))
@OUT
def main(index: Path, half: str, wording: str, out: Path | None) -> None:
    settings = Settings.load(index=index)
    build.prepare(settings)
    engine = build.engine(settings)
    rows = [
        row
        for row in json_lines(GOLD / "shelf.jsonl")
        if (int(row["id"].rpartition("-")[2]) % 2 == 0) == (half == "report")
    ]
    results = [judgement_of(row, engine.ask(row[wording])) for row in tqdm(rows, disable=None)]
    finished({**summary(results), "results": results}, out)


if __name__ == "__main__":
    main()
