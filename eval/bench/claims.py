"""The time to check a page of claims: python -m eval.bench.claims INDEX WORK --passages 100000

INDEX contains the documents of `seeds/`. These, and passages made of their words with synthetic
vectors, fill an index of `--passages` in WORK, which is kept. A page of 40 sentences (right and
wrong gold claims, and quotations) is checked against it, and the seconds of wall-clock and CPU time
are reported. The first check, which loads the index, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.bench.scale import DIM, EACH, Item, Space, document, expected
from rag import build
from rag.claims.checker import Checker
from rag.evaluation.claims import read_claims
from rag.evaluation.gold import read_jsonl
from rag.settings import Settings
from rag.store.local.store import LocalStore

_SENTENCES, _QUOTED = 40, 15


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not (given.work / "filled").exists():
        fill(given.index, given.work, given.passages)
    report = measured(given.work / "index")
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def fill(index: Path, work: Path, passages: int) -> None:
    """Fill the index in `work`/index with the documents of `index`, then documents made of their
    words.
    """
    source = build.store(Settings.load(index=index))
    store = LocalStore(work / "index", expected(), create=True)
    with store.writing():
        done = 0
        words: list[str] = []
        for listed in source.documents():
            found = source.document(listed.id)
            held, vectors = source.embedded(listed.id)
            if found:
                store.put(found, held, vectors)
                words += found.text.split()
                done += len(held)
        for number, one in enumerate(_made(words, passages - done)):
            store.put(*one)
            if number % 500 == 0:
                print(f"{done + number * EACH} passages", file=sys.stderr, flush=True)
    store.close()
    (work / "filled").touch()


def _made(words: list[str], count: int) -> Iterator[Item]:
    space, rng = Space(count), random.Random(5)
    for start in range(0, count, EACH):
        rows = space.passages(min(EACH, count - start))
        texts = [" ".join(_sentence(words, rng) for _ in range(6)) for _ in rows]
        yield document(f"made/{start}", texts, rows)


def _sentence(words: list[str], rng: random.Random) -> str:
    return " ".join(rng.choices(words, k=14)).rstrip(".,;").capitalize() + "."


def page() -> str:
    """40 sentences: gold claims, right and wrong ones, and quotations."""
    claims = [one.claim for one in read_claims(Path("eval/gold/claims.jsonl"))]
    said = [q.evidence[0].sentence for q in read_jsonl(Path("eval/gold/seeds.jsonl")) if q.evidence]
    rng = random.Random(3)
    chosen = rng.sample(claims, _SENTENCES - _QUOTED) + rng.sample(said, _QUOTED)
    return " ".join(rng.sample(chosen, len(chosen)))


def measured(index: Path) -> dict[str, Any]:
    engine = build.engine(Settings.load(index=index))
    checker = Checker(engine)
    checker.check("Iran kept 300 kg of uranium.")
    text = page()
    begun, used = time.perf_counter(), time.process_time()
    report = checker.check(text)
    seconds, processor = time.perf_counter() - begun, time.process_time() - used
    return {
        "passages": engine.store.stats().passages,
        "dimensions": DIM,
        "sentences": len(report.sentences),
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "verdicts": {name: count for name, count in report.counts.items() if count},
    }


if __name__ == "__main__":
    main()
