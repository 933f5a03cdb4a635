"""The systems that are compared, behind one interface, and their processes, which measure."""

import importlib.util
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from eval.scripts import ROOT
from rag.errors import InputError
from rag.settings import Settings

READ = 8
"""Number of passages read per question: our default."""
BATCH = 32
INSTALL = "python3 -m venv .peers && .peers/bin/pip install -e . -r eval/bench/requirements.txt"
Text = tuple[str, str, str]
"""A passage: its id, its document's, and its text below title and heading."""
Reply = tuple[str | None, str | None]
"""The answer at the system's own default, None if refused, and its best guess."""


def documents(count_tokens: Any) -> list[Any]:
    """The documents of `seeds/` with the passages that `rag ingest seeds` makes."""
    from rag.ingestion.chunking import split_document
    from rag.parsing.files import find
    from rag.parsing.load import Loaded
    from rag.parsing.pool import ParseTask, one_by_one

    limit = Settings().passage_tokens
    return [
        (document, split_document(document, count_tokens, limit))
        for _, loaded in one_by_one(ParseTask(file) for file in find([ROOT / "seeds"]))
        if isinstance(loaded, Loaded)
        for document in loaded.documents
    ]


EMBEDDER_FOLDER = "embedder"
READER_FOLDER = "reader"


class System:
    """Methods are called in this order: `models`, then `ingest`, or `open`, `search` and `ask`."""

    def __init__(self, threads: int, models: Path) -> None:
        """`models` has the folders of the embedder and the reader, with weights in 32 bits."""
        self.threads = threads
        self.embedder = str(models / EMBEDDER_FOLDER)
        self.reader = str(models / READER_FOLDER)

    def models(self, reader: bool) -> None:
        """Import the libraries, and load the embedder, and the reader if needed; not measured."""

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        """Embed and index the passages, and write them to the new folder `folder`."""

    def open(self, folder: Path) -> None:
        """Open the index that `ingest` wrote."""

    def search(self, question: str) -> list[str]:
        """Ids of the `READ` best passages, best first."""
        raise NotImplementedError

    def ask(self, question: str) -> Reply:
        raise NotImplementedError


class Ours(System):
    """This project, through its composition root, as all its interfaces use it."""

    precision = "auto"

    def __init__(self, threads: int, models: Path) -> None:
        super().__init__(threads, models)
        self._settings = Settings(reader="fast", precision=self.precision, threads=threads)

    def models(self, reader: bool) -> None:
        import torch

        from rag import build

        torch.set_num_threads(self._settings.threads)
        self._embedder = build.embedder(self._settings)
        self._reader: Any = build.reader(self._settings) if reader else None
        self._documents = [] if reader else documents(self._embedder.count_tokens)

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        """Each document is a transaction; the passages are those of `texts`."""
        from rag import build
        from rag.ingestion.pipeline import BATCH_PASSAGES, embed, put

        store = build.store(replace(self._settings, index=folder), self._embedder, create=True)
        pending: list[Any] = []
        with store.writing():
            for document in self._documents:
                pending.append(document)
                if sum(len(passages) for _, passages in pending) >= BATCH_PASSAGES:
                    put(store, embed(self._embedder, pending))
                    pending = []
            put(store, embed(self._embedder, pending))
        store.close()

    def open(self, folder: Path) -> None:
        from rag import build

        settings = replace(self._settings, index=folder)
        self._engine = build.assemble(settings, build.store(settings), self._embedder, self._reader)

    def search(self, question: str) -> list[str]:
        passages = [hit.passage for hit in self._engine.search(question, READ)]
        return [f"{passage.document_id}#{passage.start}" for passage in passages]

    def ask(self, question: str) -> Reply:
        from rag.evaluation.error_analysis import best_candidate

        answer = self._engine.ask(question, READ)
        candidate = best_candidate(answer)
        return answer.text, candidate.text if candidate else None


class OursFp32(Ours):
    precision = "fp32"


class OursInt8(Ours):
    precision = "int8"


class Libraries(System):
    """The three libraries of such a service, combined carefully but without a framework.

    Passages are encoded in batches of 32, which sentence-transformers sorts by length; the question
    is read with all passages in one forward pass; spans are scored as in transformers'
    question-answering example: start + end, against the null at token 0.
    """

    max_answer_tokens, kept_positions = 30, 20

    def models(self, reader: bool) -> None:
        import faiss
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        self._faiss, self._torch = faiss, torch
        options: dict[str, Any] = {"local_files_only": True}
        self._embedder = SentenceTransformer(self.embedder, device="cpu", **options)
        if reader:
            load: Any = AutoModelForQuestionAnswering.from_pretrained
            self._tokenizer: Any = AutoTokenizer.from_pretrained(self.reader, **options)
            self._reader = load(self.reader, dtype=torch.float32, **options).eval()

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        vectors = self._encode([text for _, _, text in texts])
        index = self._faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        folder.mkdir()
        self._faiss.write_index(index, str(folder / "vectors.faiss"))
        (folder / "texts.json").write_text(json.dumps(texts))

    def open(self, folder: Path) -> None:
        self._index = self._faiss.read_index(str(folder / "vectors.faiss"))
        self._texts: list[Text] = json.loads((folder / "texts.json").read_text())

    def search(self, question: str) -> list[str]:
        return [name for name, _, _ in self._neighbours(question)]

    def ask(self, question: str) -> Reply:
        score, words = self._read(question, [text for _, _, text in self._neighbours(question)])
        return (words if score > 0 else None), words

    def _encode(self, texts: Sequence[str]) -> Any:
        return self._embedder.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )

    def _neighbours(self, question: str) -> list[Text]:
        _, rows = self._index.search(self._encode([question]), READ)
        return [self._texts[row] for row in rows[0] if row >= 0]

    def _read(self, question: str, texts: list[str]) -> tuple[float, str]:
        """(score above the null, words) of the best span of all passages."""
        encoded = self._tokenizer(
            [question] * len(texts), texts, truncation="only_second", max_length=384,
            padding=True, return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip
        offsets = encoded.pop("offset_mapping").numpy()
        with self._torch.inference_mode():
            output = self._reader(**encoded)
        starts = output.start_logits.numpy()
        ends = output.end_logits.numpy()
        spans = [
            (*self._span(starts[row], ends[row], encoded.sequence_ids(row)), row)
            for row in range(len(texts))
        ]
        score, first_token, last_token, row = max(spans)
        return score, texts[row][offsets[row, first_token, 0] : offsets[row, last_token, 1]].strip()

    def _span(self, start: Any, end: Any, sequences: Sequence[int | None]) -> tuple[Any, int, int]:
        """(score above the null, first token, last token)."""
        import numpy as np

        penalty = np.array([0 if sequence == 1 else -np.inf for sequence in sequences])
        firsts, lasts = (
            np.argsort(-(side + penalty))[: self.kept_positions] for side in (start, end)
        )
        pairs = [
            (float(start[a] + end[b] - start[0] - end[0]), int(a), int(b))
            for a in firsts
            for b in lasts
            if penalty[a] == penalty[b] == 0 and 0 <= b - a < self.max_answer_tokens
        ]
        return max(pairs, default=(-np.inf, 0, 0))


class Haystack(System):
    """Its embedders, in-memory store, retriever and extractive reader, in its pipelines."""

    def models(self, reader: bool) -> None:
        import haystack
        import torch
        from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders import sentence_transformers
        from haystack_integrations.components.readers.transformers import (
            TransformersExtractiveReader,
        )

        self._haystack, self._store = haystack, InMemoryDocumentStore
        self._retriever = InMemoryEmbeddingRetriever
        options = {"model": self.embedder, "progress_bar": False, "local_files_only": True}
        if reader:
            self._embedder = sentence_transformers.SentenceTransformersTextEmbedder(**options)
            kwargs = {"dtype": torch.float32}
            self._reader = TransformersExtractiveReader(model=self.reader, model_kwargs=kwargs)
            self._reader.warm_up()
        else:
            embedders = sentence_transformers.SentenceTransformersDocumentEmbedder
            self._embedder = embedders(batch_size=BATCH, **options)
        self._embedder.warm_up()

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        from haystack.components.writers import DocumentWriter

        store = self._store()
        pipeline = self._pipeline(embedder=self._embedder, writer=DocumentWriter(store))
        pipeline.connect("embedder", "writer")
        documents = [self._haystack.Document(id=name, content=text) for name, _, text in texts]
        pipeline.run({"embedder": {"documents": documents}})
        folder.mkdir()
        store.save_to_disk(str(folder / "store.json"))

    def open(self, folder: Path) -> None:
        store = self._store.load_from_disk(str(folder / "store.json"))
        # a component can be in one pipeline only; the other uses the same model
        search_retriever, reading_retriever = (self._retriever(store, top_k=READ) for _ in range(2))
        embedder = type(self._embedder).from_dict(self._embedder.to_dict())
        embedder.warm_up()
        self._search = self._pipeline(embedder=self._embedder, retriever=search_retriever)
        self._asks = self._pipeline(
            embedder=embedder, retriever=reading_retriever, reader=self._reader
        )
        for pipeline in (self._search, self._asks):
            pipeline.connect("embedder.embedding", "retriever.query_embedding")
        self._asks.connect("retriever.documents", "reader.documents")

    def search(self, question: str) -> list[str]:
        output = self._search.run({"embedder": {"text": question}})
        return [document.id for document in output["retriever"]["documents"]]

    def ask(self, question: str) -> Reply:
        output = self._asks.run({"embedder": {"text": question}, "reader": {"query": question}})
        answers = [answer.data for answer in output["reader"]["answers"]]
        candidate = next((answer for answer in answers if answer is not None), None)
        return answers[0] if answers else None, candidate

    def _pipeline(self, **components: Any) -> Any:
        pipeline = self._haystack.Pipeline()
        for name, component in components.items():
            pipeline.add_component(name, component)
        return pipeline


class Txtai(System):
    """Its embeddings database, and its extractive question pipeline: every passage is read, and the
    most frequent answer wins, in a tie the one whose passage was ranked first: the pipeline returns
    no scores.
    """

    def models(self, reader: bool) -> None:
        import torch
        from txtai import Embeddings
        from txtai.pipeline import Questions

        self._embeddings = Embeddings(
            path=self.embedder, content=True, encodebatch=BATCH, gpu=False
        )
        if reader:
            self._questions = Questions(self.reader, gpu=False, dtype=torch.float32)

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        self._embeddings.index((name, text, None) for name, _, text in texts)
        self._embeddings.save(str(folder))

    def open(self, folder: Path) -> None:
        self._embeddings.load(str(folder))

    def search(self, question: str) -> list[str]:
        return [row["id"] for row in self._embeddings.search(question, READ)]

    def ask(self, question: str) -> Reply:
        rows = self._embeddings.search(question, READ)
        answers = [self._read(question, row["text"]) for row in rows]
        counted = Counter(filter(None, answers)).most_common(1)
        return (counted[0][0], counted[0][0]) if counted else (None, None)

    def _read(self, question: str, text: str) -> str | None:
        try:
            words: str | None = self._questions([question], [text])[0]
        except TypeError:  # the model's best span is the null span, which is not in the text
            return None
        return words


@dataclass(frozen=True, slots=True)
class Peer:
    """A system's class, and the modules that it requires."""

    system: Callable[[int, Path], System]
    needs: tuple[str, ...] = ()


PEERS = {
    "ours": Peer(Ours),
    "ours-fp32": Peer(OursFp32),
    "ours-int8": Peer(OursInt8),
    "plain": Peer(Libraries, ("torch", "transformers", "sentence_transformers", "faiss")),
    "haystack": Peer(Haystack, ("haystack", "haystack_integrations")),
    "txtai": Peer(Txtai, ("txtai",)),
}


# A system in a process of its own, which measures what it does


ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}
"""No network access, no telemetry."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
Figures = dict[str, Any]
_systems: list[System] = []


@contextmanager
def process(name: str, threads: int, models: Path) -> Iterator[Callable[..., Figures]]:
    """A system in a process of its own, as a function of one of the commands below and its
    arguments, which raises BrokenProcessPool if the process has ended. `threads` are for its models
    and tokenizers, and must also be in THREADS of the environment; `models` as in `System`.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _start, (name, threads, models)) as pool:
        yield lambda command, *arguments: pool.submit(command, *arguments).result()


def _start(name: str, threads: int, models: Path) -> None:
    _systems.append(PEERS[name].system(threads, models))


# Commands


def ingest(texts: Sequence[Text], folder: Path) -> Figures:
    """Wall-clock and CPU seconds to embed and index the passages, with models loaded."""
    (system,) = _systems
    system.models(reader=False)
    cpu = time.process_time()
    seconds, _ = timed(system.ingest, texts, folder)
    return {"seconds": seconds, "cpu": time.process_time() - cpu}


def open_index(folder: Path) -> None:
    (system,) = _systems
    system.models(reader=True)
    system.open(folder)


def search(questions: Sequence[str]) -> Figures:
    """Seconds and the passages of each question; wall-clock and CPU seconds of all."""
    return _block(questions, lambda system, question: {"passages": system.search(question)})


def ask(questions: Sequence[str]) -> Figures:
    """Seconds, answer and best guess of each question; wall-clock and CPU seconds of all."""
    keys = ("text", "guess")
    return _block(
        questions, lambda system, question: dict(zip(keys, system.ask(question), strict=True))
    )


def _block(questions: Sequence[str], reply: Callable[[System, str], Figures]) -> Figures:
    (system,) = _systems
    cpu = time.process_time()
    rows = []
    for question in questions:
        seconds, row = timed(reply, system, question)
        rows.append({"seconds": seconds, **row})
    total = sum(row["seconds"] for row in rows)
    return {"rows": rows, "seconds": total, "cpu": time.process_time() - cpu}


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(seconds, result)"""
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result


def check(names: Sequence[str]) -> None:
    """Raises InputError for a name that is not in `PEERS`, or whose libraries are not installed."""
    for name in names:
        if name not in PEERS:
            raise InputError(f"no system {name!r}", f"name one of: {', '.join(PEERS)}")
        missing = ", ".join(package for package in PEERS[name].needs if not _is_installed(package))
        if missing:
            raise InputError(f"{name} needs {missing}, which is not installed", f"run: {INSTALL}")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False
