"""How close reader and embedder come to the machine's limit:

    python -m eval.bench.floor --out eval/results/floor.json

Counts the floating-point operations of questions (embedding, reading) and of ingest (embedding)
from the models' configurations and the numbers of tokens, with and without padding; measures the
rate of matrix products at the models' shapes and precision, and times the work itself, in the same
run. With one thread the time is CPU time, which other programs hardly disturb; with more it is
wall-clock time. The plain loop is `SentenceTransformer.encode` in fp32 with its defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from rag import build
from rag.answering.searcher import Searcher
from rag.evaluation.corpus import opened
from rag.evaluation.gold_formats import load
from rag.ingestion.ingest import Ingest
from rag.models.device import Arithmetic, native_bf16
from rag.models.reader import ExtractiveReader
from rag.models.registry import embedder_path, reader_path
from rag.models.windows import windows_of
from rag.parsing.files import find
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Hit

GOLD, CORPUS = Path("eval/gold/seeds.jsonl"), Path("seeds")


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a BERT: layers, hidden size, intermediate size."""

    layers: int
    hidden: int
    between: int

    @classmethod
    def of(cls, path: str) -> Shape:
        config = json.loads(Path(path, "config.json").read_text(encoding="utf-8"))
        return cls(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])

    def operations(self, tokens: int) -> int:
        """Operations for one text: four projections and two feed-forward steps, then attention
        scores and sums."""
        linear = 2 * tokens * (4 * self.hidden**2 + 2 * self.hidden * self.between)
        return self.layers * (linear + 4 * tokens**2 * self.hidden)


def counted(shape: Shape, batches: Sequence[Sequence[int]]) -> dict[str, float]:
    """Tokens and operations (10⁹) for texts in batches, unpadded and padded to the longest of each
    batch."""
    return {
        "texts": sum(map(len, batches)),
        "tokens": sum(map(sum, batches)),
        "tokens_padded": sum(len(batch) * max(batch) for batch in batches),
        "gflop": sum(shape.operations(n) for batch in batches for n in batch) / 1e9,
        "gflop_padded": sum(len(batch) * shape.operations(max(batch)) for batch in batches) / 1e9,
    }


class Clock:
    """Seconds of CPU time with one thread, of wall-clock time with several."""

    def __init__(self, threads: int) -> None:
        self.now = time.process_time if threads == 1 else time.perf_counter

    def of(self, work: Callable[[], object]) -> float:
        begun = self.now()
        work()
        return self.now() - begun


def matmul_rate(
    shape: Shape, rows: int, dtype: torch.dtype, clock: Clock, repeats: int = 5
) -> float:
    """10⁹ operations per second in the linear layers of one block over `rows` tokens, the best of
    several tries."""
    h, i = shape.hidden, shape.between
    layers = [(h, h)] * 4 + [(h, i), (i, h)]
    work = [
        (torch.randn(rows, a).to(dtype), torch.randn(b, a).to(dtype), torch.randn(b).to(dtype))
        for a, b in layers
    ]

    def block() -> None:
        for states, weights, bias in work:
            torch.nn.functional.linear(states, weights, bias)

    with torch.inference_mode():
        block()
        return (
            2
            * rows
            * sum(a * b for a, b in layers)
            / min(clock.of(block) for _ in range(repeats))
            / 1e9
        )


def reading(
    name: str, asked: Sequence[tuple[str, Sequence[Hit]]], bf16: bool, clock: Clock, rounds: int
) -> dict[str, Any]:
    """The cost of reading each question alone, against the limit."""
    path = reader_path(name)[0]
    shape, tokenizer = Shape.of(path), Tokenizer.from_file(str(Path(path, "tokenizer.json")))
    reader = ExtractiveReader(name, arithmetic=Arithmetic(bf16=bf16))
    made = [
        windows_of(tokenizer, question, [(h.passage.context, h.passage.text) for h in hits])
        for question, hits in asked
    ]
    batches = [[window.tokens for each in windows for window in each] for windows in made]
    work = counted(shape, batches)
    rows = round(work["tokens"] / len(asked))
    rates, seconds = [], []
    reader.read(*asked[0])
    for _ in range(rounds):
        rates.append(matmul_rate(shape, rows, torch.bfloat16 if bf16 else torch.float32, clock))
        seconds.append(clock.of(lambda: [reader.read(question, hits) for question, hits in asked]))
    return (
        work
        | _share(work["gflop"], seconds, rates)
        | {"ms_a_question": 1000 * statistics.median(seconds) / len(asked)}
    )


def embedding(
    texts: Sequence[str], ours: Embedder, bf16: bool, clock: Clock, rounds: int
) -> dict[str, Any]:
    """The cost of embedding the texts, against the limit and the plain loop, in turns."""
    path = embedder_path("minilm")[0]
    plain = SentenceTransformer(path, device="cpu")
    lengths = sorted(min(256, n + 2) for n in ours.count_tokens(texts))
    shape = Shape.of(path)
    work = counted(shape, [lengths[at : at + 32] for at in range(0, len(lengths), 32)])
    rates, seconds, plainly = [], [], []
    for _ in range(rounds):
        rates.append(matmul_rate(shape, 4096, torch.bfloat16 if bf16 else torch.float32, clock))
        seconds.append(clock.of(lambda: ours.embed_passages(texts)))
        plainly.append(clock.of(lambda: plain.encode(list(texts), show_progress_bar=False)))
    cosines = (ours.embed_passages(texts) * plain.encode(list(texts), show_progress_bar=False)).sum(
        1
    )
    times = statistics.median(there / here for there, here in zip(plainly, seconds, strict=True))
    found = {
        "plain_seconds": statistics.median(plainly),
        "times_plain": times,
        "least_cosine": float(cosines.min()),
    }
    return work | _share(work["gflop"], seconds, rates) | found


def ingest(settings: Settings, embedder: Embedder, clock: Clock) -> dict[str, float]:
    """The whole of ingest, from files to an index: parsing, splitting, embedding, storing."""
    with tempfile.TemporaryDirectory() as folder:
        store = build.store(replace(settings, index=Path(folder)), embedder, create=True)
        run = Ingest(store, embedder, settings.passage_tokens)
        seconds = clock.of(lambda: run.run(list(find([CORPUS]))))
        store.close()
    return {"seconds": seconds, "passages": run.report.passages}


def _share(gflop: float, seconds: Sequence[float], rates: Sequence[float]) -> dict[str, float]:
    rate = max(rates)
    return {
        "seconds": statistics.median(seconds),
        "limit_gflops": rate,
        "reached_gflops": gflop / statistics.median(seconds),
        "share_of_limit": gflop / statistics.median(seconds) / rate,
    }


def asked_of(searcher: Searcher, questions: int) -> list[tuple[str, Sequence[Hit]]]:
    gold = load(GOLD).questions
    texts = [question.text for question in gold[:: max(1, len(gold) // questions)]][:questions]
    return [(text, searcher.search(text, searcher.settings.top_k)) for text in texts]


def passages_of(searcher: Searcher) -> list[str]:
    """The texts as they are embedded."""
    found = (searcher.store.embedded(document.id)[0] for document in searcher.store.documents())
    return [passage.in_context for passages in found for passage in passages]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    settings, clock, bf16 = (
        Settings(threads=arguments.threads),
        Clock(arguments.threads),
        native_bf16(),
    )
    made: dict[str, Any] = {
        "threads": arguments.threads,
        "time": "of the processor" if arguments.threads == 1 else "of the wall",
        "precision": "bf16" if bf16 else "fp32",
        "load_before": os.getloadavg()[0],
    }
    embedder = build.embedder(settings)
    with opened(build, settings, load(GOLD), CORPUS, None) as searcher:
        asked, texts = asked_of(searcher, arguments.questions), passages_of(searcher)
    shape = Shape.of(embedder_path("minilm")[0])
    lengths = embedder.count_tokens([question for question, _ in asked])
    made["embedding_a_question_gflop"] = (
        sum(shape.operations(n + 2) for n in lengths) / len(lengths) / 1e9
    )
    for name in arguments.readers:
        made[f"reading_{name}"] = reading(name, asked, bf16, clock, arguments.rounds)
    made["embedding"] = embedding(
        texts[:: arguments.every], embedder, bf16, clock, arguments.rounds
    )
    made["ingest"] = ingest(settings, embedder, clock)
    made["ingest"] |= _whole(made["ingest"], made["embedding"])
    return made | {"load_after": os.getloadavg()[0]}


def _whole(whole: dict[str, float], embedded: dict[str, float]) -> dict[str, float]:
    """Ingest time extrapolated from the passages that were embedded separately."""
    more = whole["passages"] / embedded["texts"]
    return {
        "share_of_limit": more * embedded["gflop"] / whole["seconds"] / embedded["limit_gflops"],
        "times_plain": more * embedded["plain_seconds"] / whole["seconds"],
    }


def text(made: dict[str, Any]) -> str:
    lines = [
        f"{made['precision']}, {made['threads']} thread(s), time {made['time']}, load "
        f"{made['load_before']:.0f}"
    ]
    for name, part in made.items():
        if isinstance(part, dict):
            lines.append(
                f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in part.items())
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--every", type=int, default=4, help="embed one passage of so many; ingest takes all"
    )
    parser.add_argument("--readers", nargs="*", default=["best", "fast"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    made = measure(arguments)
    print(text(made))
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
