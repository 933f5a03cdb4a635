"""Measures which conflicts are announced, on eval/gold/conflicts.jsonl.

python -m eval.experiments.conflicts --cache DIR [--half fit|report|both]
python -m eval.experiments.conflicts --cache DIR --fit [--others DIR SET...]

Each row has two short documents and a question. In half of the rows the documents contradict each
other, in the others they only seem to. All are in one index, and each question is asked of its two
documents. DIR keeps the index and what the reader said, so that it is read once. A conflict is
announced if an answer is given and the other document's value is shown beside it; precision is the
share of announced conflicts that are real. Of real ones it also says how often the newer document
comes first.

`--fit` prints the weights of `rag.answering.conflicts.MODEL`, fitted to the pairs for fitting and
to the answers of the SETs, which `eval.experiments.kept` has read into the second DIR. There
nothing contradicts an answer: every value of another document is an example of no conflict.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.linear_model import LogisticRegression

from eval.experiments.kept import KeptHits, KeptReads, done
from eval.experiments.kept import opened as opened_set
from eval.scripts import CACHE, READER, ROOT, by_half, script
from rag import build
from rag.answering.compose import value_of
from rag.answering.conflicts import FEATURES, features, is_alike, rivals
from rag.answering.judge import Logistic
from rag.answering.reading import Reading
from rag.answering.spans import SpanGroup
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.filters import parse
from rag.ingestion.ingest import Ingest
from rag.meaning.words import normalize
from rag.models.cascade import Cascade
from rag.models.registry import CASCADE_READS, first_reader
from rag.parsing.files import find
from rag.protocols import Reader
from rag.query import Query
from rag.settings import Settings
from rag.types import Answer

GOLD = ROOT / "eval/gold/conflicts.jsonl"


def opened(cache: Path, reader: str) -> Engine:
    """An engine over all documents of the set, which reads through the caches in the folder."""
    settings = Settings.load(index=cache / "index", reader=reader)
    embedder = build.embedder(settings)
    documents = cache / "documents"
    if not (cache / "made").exists():
        for row in json_lines(GOLD):
            for side in ("a", "b"):
                path = documents / row["id"] / f"{side}.md"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_page(row["id"], row[side]), encoding="utf-8")
        with closing(build.store(settings, embedder, create=True)) as store:
            Ingest(store, embedder, settings.passage_tokens).run(list(find([documents])))
        (cache / "made").touch()
    kept_reader: Reader = KeptReads(reader, cache)
    if small_reader := first_reader(reader):
        kept_reader = Cascade(KeptReads(small_reader, cache), kept_reader, CASCADE_READS)
    engine = build.assemble(settings, build.store(settings, embedder), embedder, kept_reader)
    engine.retriever = KeptHits(engine.retriever, cache / "hits.jsonl")
    return engine


def _page(name: str, document: Mapping[str, str]) -> str:
    about = f"---\ndate: {document['date']}\npair: {name}\n---\n"
    return f"{about}\n# {document['title']}\n\n{document['text']}\n"


def asked(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
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


def _read(engine: Engine, query: Query) -> tuple[Reading, SpanGroup] | None:
    """What was read for a question, and the value of its answer; None without one."""
    (search_result,) = engine.find_many([query])
    if search_result.is_talk(query):
        return None
    ((reading, ranked),) = engine.rank_many([query], [search_result])
    if not ranked or ranked[0].probability < engine.threshold:
        return None
    answer_value = value_of(ranked[0].candidate, reading)
    return (reading, answer_value) if answer_value else None


def _rows(engine: Engine, query: Query, values: Sequence[str]) -> list[dict[str, float]]:
    """The features of the values of other documents that may contradict the answer; those with one
    of `values` are real conflicts.
    """
    read = _read(engine, query)
    if read is None:
        return []
    reading, answer_value = read
    conflicting_wordings = [normalize(value) for value in values]
    rows = []
    for rival, _ in rivals(reading, answer_value):
        if is_alike(reading, answer_value.best, rival):
            rival_wording = normalize(rival.span.text)
            is_real = any(
                rival_wording in value or value in rival_wording for value in conflicting_wordings
            )
            rows.append(features(reading, answer_value.best, rival) | {"real": float(is_real)})
    return rows


def fitted(rows: Sequence[Mapping[str, float]]) -> Logistic:
    """The model of the rows, each of which may have a "weight"."""
    table = np.array([[row[name] for name in FEATURES] for row in rows])
    scale = table.std(axis=0)
    weights = [row.get("weight", 1.0) for row in rows]
    model = LogisticRegression(C=_C, max_iter=1000)
    model.fit(table / scale, [row["real"] for row in rows], sample_weight=weights)
    slopes = [round(float(slope), 3) for slope in model.coef_[0] / scale]
    return Logistic(dict(zip(FEATURES, slopes, strict=True)), round(float(model.intercept_[0]), 3))


def _fit(cache: Path, other_cache: Path | None, sets: Sequence[str], reader: str) -> Logistic:
    engine = opened(cache, reader)
    rows = []
    for row in json_lines(GOLD):
        if row["half"] == "fit":
            query = Query(row["question"], filter=parse([f"pair={row['id']}"]))
            rows += _rows(engine, query, row["values"] if row["conflict"] else [])
    engine.store.close()
    for name in sets:
        engine, questions = opened_set(name, other_cache or cache, reader)
        for question in done(name, other_cache or cache, questions, reader):
            examples = _rows(engine, Query(question.text), [])
            rows += [example | {"weight": _OTHERS} for example in examples]
        engine.store.close()
    model = fitted(rows)
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        announced = [row for row in rows if model(row) >= threshold]
        click.echo(
            f"{threshold}: {sum(row['real'] for row in announced):.0f} real of"
            f" {sum(row['real'] for row in rows):.0f},"
            f" {sum(not row['real'] and 'weight' not in row for row in announced)} seeming,"
            f" {sum('weight' in row for row in announced)} of other sets"
        )
    return model


_C, _OTHERS = 1.0, 0.3
"""Inverse of the ridge, and the weight of a row of other sets."""


@script(__doc__)
@CACHE
@READER
@click.option("--half", default="both", type=click.Choice(["fit", "report", "both"]),
              help="Pairs to ask.")  # fmt: skip
@click.option("--fit", is_flag=True, help="Fit the model, and print it.")
@click.option(
    "--others", "other_cache", type=click.Path(path_type=Path), help="Kept readings of the SETs."
)
@click.option("--into", type=click.Path(path_type=Path), help="Write one JSON line a pair.")
@click.argument("sets", nargs=-1)
def main(
    cache: Path,
    reader: str,
    half: str,
    fit: bool,
    other_cache: Path | None,
    into: Path | None,
    sets: tuple[str, ...],
) -> None:
    if fit:
        click.echo(_fit(cache, other_cache, sets, reader))
        return
    engine = opened(cache, reader)
    rows = [row for row in json_lines(GOLD) if half in ("both", row["half"])]
    results = [asked(engine, row) | {"half": row["half"]} for row in rows]
    engine.store.close()
    by_half(results, summary, into)


if __name__ == "__main__":
    main()
