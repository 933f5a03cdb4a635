"""Measures which conflicts are announced, on eval/gold/conflicts.jsonl.

python -m eval.experiments.conflicts --cache DIR [--half fit|report|both]
python -m eval.experiments.conflicts --cache DIR --others DIR SET...

Each row has two short documents and a question. In half of the rows the documents contradict each
other, in the others they only seem to. All are in one index, and each question is asked of its two
documents. DIR keeps the index and what the reader said, so that it is read once. A conflict is
announced if an answer is given and the other document's value is shown beside it; precision is the
share of announced conflicts that are real. Of real ones it also says how often the newer document
comes first.

With SETs, which `eval.experiments.kept` has read into the second DIR, it says how many of their
answers have a conflict instead. Hardly anything contradicts an answer there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from eval.experiments.fit_judge import in_half
from eval.experiments.kept import ingest, kept_engine
from eval.scripts import CACHE, NEW_FILE, READER, ROOT, by_half, script
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.filters import parse
from rag.protocols import Embedder
from rag.query import Query
from rag.settings import Settings
from rag.types import Answer

GOLD = ROOT / "eval/gold/conflicts.jsonl"


def open_engine(cache: Path, reader: str) -> Engine:
    """An engine over all documents of the set, which reads through the caches in the folder."""
    documents = cache / "documents"

    def make(settings: Settings, embedder: Embedder) -> None:
        for row in json_lines(GOLD):
            for side in ("a", "b"):
                path = documents / row["id"] / f"{side}.md"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_page(row["id"], row[side]), encoding="utf-8")
        ingest(settings, embedder, [documents])

    return kept_engine(cache, reader, make)


def _page(name: str, document: Mapping[str, str]) -> str:
    about = f"---\ndate: {document['date']}\npair: {name}\n---\n"
    return f"{about}\n# {document['title']}\n\n{document['text']}\n"


def ask_row(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the question got an answer, whether a conflict was announced, and which side of the
    pair came first.
    """
    query = Query(row["question"], filter=parse([f"pair={row['id']}"]))
    (answer,) = engine.ask_many([query])
    return {
        "id": row["id"],
        "conflict": row["conflict"],
        "newest": row["newest"],
        "answered": answer.text is not None,
        "announced": answer.text is not None and bool(answer.conflicts),
        "first": _side(answer),
        "answer": answer.text,
        "confidence": round(answer.confidence, 3),
        "conflicts": [conflict.text for conflict in answer.conflicts],
    }


def _side(answer: Answer) -> str:
    return answer.citations[0].document_id.split("/")[-1][0] if answer.citations else ""


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    real = [row for row in rows if row["conflict"]]
    announced = [row for row in rows if row["announced"]]
    announced_conflicts = [row for row in announced if row["conflict"]]
    newest = [row for row in announced_conflicts if row["first"] == row["newest"]]
    return {
        "pairs": len(rows),
        "real": len(real),
        "answered": sum(row["answered"] for row in rows),
        "real announced": len(announced_conflicts),
        "seeming announced": len(announced) - len(announced_conflicts),
        "recall": round(len(announced_conflicts) / max(1, len(real)), 3),
        "precision": round(len(announced_conflicts) / max(1, len(announced)), 3),
        "newest first": round(len(newest) / max(1, len(announced_conflicts)), 3),
    }


def of_others(name: str, cache: Path, reader: str) -> dict[str, Any]:
    """The number of answers to a set in which nothing contradicts another, and of those with a
    conflict all the same; of collections the half for fitting.
    """
    engine, questions = in_half(name, cache, reader, False)
    answers = [engine.ask_many([Query(question.text)])[0] for question in questions]
    engine.store.close()
    given = [answer for answer in answers if answer.text is not None]
    return {"answers": len(given), "with a conflict": sum(bool(one.conflicts) for one in given)}


@script(__doc__)
@CACHE
@READER
@click.option("--half", default="both", type=click.Choice(["fit", "report", "both"]),
              help="Pairs to ask.")  # fmt: skip
@click.option(
    "--others", "other_cache", type=click.Path(path_type=Path), help="Kept readings of the SETs."
)
@click.option("--into", type=NEW_FILE, help="Write one JSON line a pair.")
@click.argument("sets", nargs=-1)
def main(
    cache: Path,
    reader: str,
    half: str,
    other_cache: Path | None,
    into: Path | None,
    sets: tuple[str, ...],
) -> None:
    for name in sets:
        click.echo(f"{name}: {json.dumps(of_others(name, other_cache or cache, reader))}")
    if sets:
        return
    engine = open_engine(cache, reader)
    rows = [row for row in json_lines(GOLD) if half in ("both", row["half"])]
    results = [ask_row(engine, row) | {"half": row["half"]} for row in rows]
    engine.store.close()
    by_half(results, summary, into)


if __name__ == "__main__":
    main()
