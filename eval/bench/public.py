"""Anybody's public set, in the three shapes of the field:

    python -m eval.bench.public squad FILE.json[.gz]        answers: exact match, F1, refusals
    python -m eval.bench.public beir FOLDER                 search: nDCG@10, recall, MRR
    python -m eval.bench.public excerpts FOLDER -k 5        places: recall, precision and IoU

A set of excerpts is a folder with `questions_df.csv` (columns question, references, corpus_id) and
`corpora/CORPUS_ID.md` (or .txt), as public benchmarks of chunking have it: `references` is a JSON
list of {"content", "start_index", "end_index"}, offsets in characters of the corpus' text. For each
question the characters of the excerpts are compared with those of the first `-k` passages of the
search, and with those of the sentences that the answer quotes. A refusal quotes nothing: its recall
and IoU are 0, and precision is over the answered questions.

The set is indexed in a temporary folder with the settings of the environment (RAG_READER, ...).
"""

import csv
import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.scripts import OUT, finished, machine, script
from rag import build
from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation.corpus import opened
from rag.evaluation.gold import Gold, Question, sample
from rag.evaluation.gold_formats import load
from rag.evaluation.runs import run
from rag.parsing.load import load_some
from rag.settings import Settings
from rag.types import Document

SHAPES = ("squad", "beir", "excerpts")
_QUESTIONS, _CORPORA = "questions_df.csv", "corpora"
Span = tuple[int, int]
"""Offsets of characters, the end exclusive."""


@dataclass(frozen=True)
class Overlap:
    """How found spans cover the excerpts of a question, in characters."""

    recall: float
    precision: float | None
    iou: float


def characters(spans: Iterable[Span]) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def overlap(spans: Iterable[Span], excerpts: Iterable[Span]) -> Overlap:
    """`precision` is None if nothing was found. Excerpts are never empty."""
    mine = characters(spans)
    gold = characters(excerpts)
    shared_count = len(mine & gold)
    precision = shared_count / len(mine) if mine else None
    return Overlap(shared_count / len(gold), precision, shared_count / len(mine | gold))


def mean(overlaps: Sequence[Overlap]) -> dict[str, Any]:
    """Means over the questions, in per cent; of precision over those that found anything."""
    rows = [asdict(question_overlap) for question_overlap in overlaps]
    values = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    shares = {
        name: round(100 * float(np.mean(shares_of_name or [0])), 1)
        for name, shares_of_name in values.items()
    }
    return {**shares, "answered": len(values["precision"])}


def read_excerpts(folder: Path) -> tuple[Gold, dict[str, list[Span]]]:
    """The set, and the excerpts of each question by its id. Raises InputError."""
    hint = (
        f"give a folder with {_QUESTIONS} and {_CORPORA}/; see python -m eval.bench.public --help"
    )
    documents: dict[str, Document] = {}
    questions: list[Question] = []
    spans: dict[str, list[Span]] = {}
    try:
        with (folder / _QUESTIONS).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for number, row in enumerate(rows, 1):
            name = row["corpus_id"]
            if name not in documents:
                documents[name] = _document(folder / _CORPORA, name)
            text = documents[name].text
            references = [
                (reference["start_index"], reference["end_index"])
                for reference in json.loads(row["references"])
            ]
            if not references or any(
                not 0 <= start < end <= len(text) for start, end in references
            ):
                raise InputError(f"question {number} has an excerpt outside {name}", hint)
            relevant = {name: 1}
            questions.append(Question(str(number), row["question"], relevant=relevant, group=name))
            spans[str(number)] = references
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{folder} is no set of excerpts: {error}", hint) from error
    return Gold(folder.resolve().name, tuple(questions), tuple(documents.values())), spans


def _document(folder: Path, name: str) -> Document:
    """The corpus with exactly its text, so that the offsets fit: read as its format, or else as
    plain text.
    """
    paths = [folder / f"{name}{ending}" for ending in (".md", ".txt")]
    path = next((candidate for candidate in paths if candidate.exists()), paths[0])
    text = path.read_bytes().decode("utf-8")
    for ending in (path.suffix, ".txt"):
        for document in load_some(f"{name}{ending}", text.encode()).documents:
            if document.text == text:
                return Document(
                    name, text, document.title, f"gold:{name}", document.sha256, {}, document.blocks
                )
    return Document(name, text, name, f"gold:{name}", hashlib.sha256(text.encode()).hexdigest())


def excerpts(folder: Path, k: int, limit: int | None) -> dict[str, Any]:
    gold, spans = read_excerpts(folder)
    passages = list[Overlap]()
    quotes = list[Overlap]()
    with opened(build, Settings.load(), gold, None, None) as engine:
        assert isinstance(engine, Engine)
        asked_questions = sample(gold.questions, limit)
        for question in asked_questions:
            (corpus,) = question.relevant
            found_spans = [
                (hit.passage.start, hit.passage.end)
                for hit in engine.search(question.text, k)
                if hit.passage.document_id == corpus
            ]
            quoted = [
                (citation.sentence_start, citation.sentence_end)
                for citation in engine.ask(question.text).citations
                if citation.document_id == corpus
            ]
            passages.append(overlap(found_spans, spans[question.id]))
            quotes.append(overlap(quoted, spans[question.id]))
        stats = engine.store.stats()
    return {
        "questions": len(asked_questions),
        "passages": stats.passages,
        f"first {k} passages": mean(passages),
        "quotes": mean(quotes),
    }


def answers(path: Path, limit: int | None) -> dict[str, Any]:
    """SQuAD or BEIR, with the metrics of `rag eval run`."""
    gold = load(path)
    with (
        tempfile.TemporaryDirectory(prefix="rag-public-") as unkept,
        opened(build, Settings.load(), gold, None, None) as engine,
    ):
        result = run(gold, engine, Path(unkept), limit)
    summary = result.summary
    return {"questions": dict(summary.counts), "metrics": dict(summary.metrics)}


@script(__doc__)
@click.argument("shape", type=click.Choice(SHAPES))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("-k", default=5, help="Passages that are compared with excerpts.")
@click.option("--limit", type=int, help="Ask only this many questions, the same in each run.")
@OUT
def main(shape: str, path: Path, k: int, limit: int | None, out: Path | None) -> None:
    figures = excerpts(path, k, limit) if shape == "excerpts" else answers(path, limit)
    finished({"set": path.name, "shape": shape, "machine": machine(), **figures}, out)


if __name__ == "__main__":
    main()
