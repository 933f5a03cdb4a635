"""What every system can do, so that one worker and one driver measure all of them."""

from __future__ import annotations

import importlib
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.errors import InputError

READ = 8
"""Passages that are read for a question: our default."""
BATCH = 32
INSTALL = "python3 -m venv .peers && .peers/bin/pip install -e . -r eval/bench/requirements.txt"


@dataclass(frozen=True, slots=True)
class Text:
    """A passage as every system gets it: `text` has its title and heading on a line above it."""

    id: str
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """`text` is the answer at the system's own default, None: refused; `guess` what it would say if
    it had to.
    """

    text: str | None
    guess: str | None


class System(ABC):
    """Called in this order: `imports`, `models`, then `prepare` and `ingest`, or `open`, then
    `search` and `ask`.
    """

    @abstractmethod
    def imports(self) -> None:
        """Import the libraries."""

    @abstractmethod
    def models(self, reader: bool) -> None:
        """Load the embedder, and the reader if it is wanted."""

    def prepare(self) -> None:  # noqa: B027  # most have nothing to do
        """Anything that ingesting needs here but that is no part of it; not measured."""

    @abstractmethod
    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        """Embed and index the passages, and leave them in `folder`, which is not there yet."""

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Open what `ingest` left."""

    @abstractmethod
    def search(self, question: str) -> list[str]:
        """Ids of the `READ` best passages, best first."""

    @abstractmethod
    def ask(self, question: str) -> Said: ...

    def serve(self) -> None:  # noqa: B027  # most have nothing to do
        """From now on `ask` is called from many threads."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """End what `serve` began."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a system is, what must be installed for it, and whether it reads."""

    module: str
    needs: tuple[str, ...] = ()
    reads: bool = True
    option: str = ""


PLAIN = ("torch", "transformers", "sentence_transformers", "faiss")
PEERS = {
    "ours": Peer("ours", option="auto"),
    "ours-fp32": Peer("ours", option="fp32"),
    "plain": Peer("plain", PLAIN),
    "haystack": Peer("with_haystack", ("haystack", "haystack_integrations")),
    "txtai": Peer("with_txtai", ("txtai",), option="each"),
    "txtai-rag": Peer("with_txtai", ("txtai",), option="joined"),
    "llamaindex": Peer(
        "with_llamaindex", ("llama_index", "llama_index.embeddings.huggingface"), reads=False
    ),
}


def check(names: Sequence[str]) -> None:
    """Raises InputError for a name that is none of `PEERS`, or whose libraries are not
    installed.
    """
    for name in names:
        if name not in PEERS:
            raise InputError(f"no system {name!r}", f"name one of: {', '.join(PEERS)}")
        missing = [needed for needed in PEERS[name].needs if not _installed(needed)]
        if missing:
            raise InputError(
                f"{name} needs {', '.join(missing)}, which is not installed", f"run: {INSTALL}"
            )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in is not there
        return False


def create(name: str, threads: int) -> System:
    """The system, nothing of it loaded. `threads` are set for the process; ours has a setting of
    its own.
    """
    peer = PEERS[name]
    made: System = importlib.import_module(f"eval.bench.peers.{peer.module}").create(
        peer.option, threads
    )
    return made


def write_texts(path: Path, texts: Sequence[Text]) -> None:
    path.write_text(json.dumps([asdict(text) for text in texts], ensure_ascii=False))


def read_texts(path: Path) -> list[Text]:
    return [Text(**one) for one in json.loads(path.read_text())]
