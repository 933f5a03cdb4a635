"""How good retrieval is on public sets, through the shipped code: python -m eval.retrieval DATA [SET ...]

DATA holds `qa/NAME.json.gz` (SQuAD shape; each paragraph a document, each answerable question a query) and
`retrieval/NAME/{corpus,queries}.jsonl.gz, qrels.tsv.gz` (BEIR shape). Prints nDCG@10, R@1 and R@20 over documents (a
document ranks where its best passage does) of the hybrid and of each leg alone.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG
from tqdm import tqdm

from rag import build
from rag.chunking.split import split
from rag.ingest import Split, embed_and_put
from rag.protocols import Embedder, Store
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.training.data import read_squad
from rag.types import Document

MEASURES = [nDCG @ 10, R @ 1, R @ 20]
Queries = dict[str, str]
Qrels = dict[str, dict[str, int]]


def squad(path: Path) -> tuple[list[Document], Queries, Qrels]:
    """Paragraphs, answerable questions, and which paragraph each was asked about."""
    documents, queries, qrels = [], Queries(), Qrels()
    for number, article in enumerate(read_squad(path)):
        for index, paragraph in enumerate(article["paragraphs"]):
            key = f"{number}/{index}"
            documents.append(Document(key, paragraph["context"], article["title"].replace("_", " "), "", ""))
            for qa in paragraph["qas"]:
                if not qa.get("is_impossible"):
                    queries[qa["id"]], qrels[qa["id"]] = qa["question"], {key: 1}
    return documents, queries, qrels


def beir(folder: Path) -> tuple[list[Document], Queries, Qrels]:
    """A folder in BEIR's shape; of queries with splits, those named dev."""
    documents = [Document(str(r["_id"]), r["text"] or r["title"], r["title"], "", "") for r in _lines(folder / "corpus.jsonl.gz")]
    queries = {str(r["_id"]): r["text"] for r in _lines(folder / "queries.jsonl.gz") if r.get("split", "dev") == "dev"}
    qrels = Qrels()
    with gzip.open(folder / "qrels.tsv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["query-id"] in queries:
                qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return [d for d in documents if d.text.strip()], {key: text for key, text in queries.items() if key in qrels}, qrels


def _lines(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def index(documents: list[Document], store: Store, embedder: Embedder, tokens: int) -> None:
    """Split, embed and put, as `rag ingest` does with files."""
    with store.writing():
        pending: list[Split] = []
        for document in tqdm(documents, unit="document", disable=None):
            pending.append((document, split(document, embedder.count_tokens, tokens)))
            if sum(len(passages) for _, passages in pending) >= 256:
                embed_and_put(store, embedder, pending)
                pending = []
        embed_and_put(store, embedder, pending)


def measure(retriever: HybridRetriever, queries: Queries, qrels: Qrels) -> dict[str, float]:
    """The measures over all queries; one that found nothing scores 0."""
    run: dict[str, dict[str, float]] = {}
    asked = list(queries.items())
    for start in tqdm(range(0, len(asked), 64), unit="batch", disable=None):
        batch = asked[start : start + 64]
        for (key, _), hits in zip(batch, retriever.retrieve([text for _, text in batch], 50), strict=True):
            scores = run.setdefault(key, {})
            for hit in hits:
                scores[hit.passage.document_id] = max(hit.score, scores.get(hit.passage.document_id, 0.0))
    return {str(name): round(value, 4) for name, value in ir_measures.calc_aggregate(MEASURES, qrels, run).items()}


def main(data: Path, names: list[str]) -> None:
    settings = Settings.load()
    embedder = build.embedder(settings)
    results = {}
    for name in names:
        file = data / "qa" / f"{name}.json.gz"
        documents, queries, qrels = squad(file) if file.exists() else beir(data / "retrieval" / name)
        with tempfile.TemporaryDirectory() as folder:
            store = build.store(Settings.load(index=folder), embedder, create=True)
            index(documents, store, embedder, settings.passage_tokens)
            results[name] = {
                "documents": len(documents),
                "passages": store.stats().passages,
                "queries": len(queries),
                **{
                    leg: measure(HybridRetriever(store, embedder, settings.candidates, alpha), queries, qrels)
                    for leg, alpha in (("hybrid", settings.alpha), ("dense", 1.0), ("lexical", 0.0))
                },
            }
            store.close()
        print(json.dumps({name: results[name]}), flush=True)
    out = Path(__file__).with_name("results") / "retrieval.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or ["squad-dev-36", "scifact"])
