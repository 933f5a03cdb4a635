"""The interface of every system, so that one worker and one driver measure all of them."""

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
"""Number of passages read per question: our default."""
BATCH = 32
INSTALL = "python3 -m venv .peers && .peers/bin/pip install -e . -r eval/bench/requirements.txt"


@dataclass(frozen=True, slots=True)
class Text:
    """A passage as every system receives it: `text` has its title and heading on a line above
    it."""

    id: str
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """`text` is the answer at the system's own default, None if refused; `guess` is its best
    guess."""

    text: str | None
    guess: str | None


class System(ABC):
    """Methods are called in this order: `imports`, `models`, then `prepare` and `ingest`, or
    `open`, then `search` and `ask`."""

    @abstractmethod
    def imports(self) -> None:
        """Import the libraries."""

    @abstractmethod
    def models(self, reader: bool) -> None:
        """Load the embedder, and the reader if needed."""

    def prepare(self) -> None:  # noqa: B027  # most have nothing to do
        """Preparation for ingesting that is not part of it; not measured."""

    @abstractmethod
    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        """Embed and index the passages, and write them to the new folder `folder`."""

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Open the index that `ingest` wrote."""

    @abstractmethod
    def search(self, question: str) -> list[str]:
        """Ids of the `READ` best passages, best first."""

    @abstractmethod
    def ask(self, question: str) -> Said: ...

    def serve(self) -> None:  # noqa: B027  # most have nothing to do
        """Prepare for calls of `ask` from several threads."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Undo `serve`."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The module of a system, its required distribution, and whether it reads."""

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
    """Raises InputError for a name that is not in `PEERS`, or whose libraries are not installed."""
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
    except ModuleNotFoundError:  # its parent package is not installed
        return False


def create(name: str, threads: int) -> System:
    """The system, without imports or models. `threads` are set for the process; ours has a setting
    of its own."""
    peer = PEERS[name]
    made: System = importlib.import_module(f"eval.bench.peers.{peer.module}").create(
        peer.option, threads
    )
    return made


def write_texts(path: Path, texts: Sequence[Text]) -> None:
    path.write_text(json.dumps([asdict(text) for text in texts], ensure_ascii=False))


def read_texts(path: Path) -> list[Text]:
    return [Text(**one) for one in json.loads(path.read_text())]
