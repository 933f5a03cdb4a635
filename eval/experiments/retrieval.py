"""Scores retrieval on public sets, through the shipped code.

    python -m eval.experiments.retrieval [--embedder E] DATA [SET ...]

DATA contains `qa/NAME.json.gz` (SQuAD format; each paragraph is a document, each answerable
question a query) and `retrieval/NAME` (BEIR folders). Prints nDCG@10, R@1 and R@20 over documents
(a document has the rank of its best passage) for the hybrid and each retriever alone, and the
passages embedded per second, and stores them by embedder in eval/results/retrieval.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG
from tqdm import tqdm

from rag import build
from rag.evaluation.corpus import fill
from rag.evaluation.gold import Gold
from rag.evaluation.gold_formats import beir, squad
from rag.protocols import Embedder
from rag.retrieval import HybridRetriever
from rag.settings import Settings

MEASURES = [nDCG @ 10, R @ 1, R @ 20]
OUT = Path(__file__).parents[1] / "results" / "retrieval.json"


def measure(retriever: HybridRetriever, gold: Gold) -> dict[str, float]:
    """The measures over all queries; queries without results score 0."""
    run: dict[str, dict[str, float]] = {}
    asked = [question for question in gold.questions if question.relevant]
    for start in tqdm(range(0, len(asked), 64), unit="batch", disable=None):
        batch = asked[start : start + 64]
        for question, hits in zip(
            batch, retriever.retrieve([q.text for q in batch], 50), strict=True
        ):
            scores = run.setdefault(question.id, {})
            for hit in hits:
                scores[hit.passage.document_id] = max(
                    hit.score, scores.get(hit.passage.document_id, 0.0)
                )
    qrels = {question.id: dict(question.relevant) for question in asked}
    return {
        str(name): round(value, 4)
        for name, value in ir_measures.calc_aggregate(MEASURES, qrels, run).items()
    }


def examine(gold: Gold, embedder: Embedder, settings: Settings) -> dict[str, Any]:
    """The measures of a set by retriever, over a temporary index."""
    with tempfile.TemporaryDirectory() as folder:
        store = build.store(
            Settings.load(index=folder, embedder=settings.embedder), embedder, create=True
        )
        begun = time.perf_counter()
        fill(gold.documents, store, embedder, settings.passage_tokens)
        took, passages = time.perf_counter() - begun, store.stats().passages
        legs = (("hybrid", settings.alpha), ("dense", 1.0), ("lexical", 0.0))
        found = {
            name: measure(HybridRetriever(store, embedder, settings.first_stage_k, alpha), gold)
            for name, alpha in legs
        }
        store.close()
    sizes = {
        "documents": len(gold.documents),
        "passages": passages,
        "queries": sum(1 for q in gold.questions if q.relevant),
    }
    return {**sizes, "passages_per_second": round(passages / took, 1), **found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("sets", nargs="*", default=["squad-dev-36", "scifact"], metavar="SET")
    parser.add_argument("--embedder", default=Settings.load().embedder, help="as RAG_EMBEDDER")
    given = parser.parse_args()
    settings = Settings.load(embedder=given.embedder)
    embedder = build.embedder(settings)
    for name in given.sets:
        file = given.data / "qa" / f"{name}.json.gz"
        found = examine(
            squad(file) if file.exists() else beir(given.data / "retrieval" / name),
            embedder,
            settings,
        )
        results = json.loads(OUT.read_text()) if OUT.exists() else {}
        results.setdefault(Path(given.embedder).name, {})[name] = found
        OUT.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps({name: found}), flush=True)


if __name__ == "__main__":
    main()
