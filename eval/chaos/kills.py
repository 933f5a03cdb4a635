"""Sends SIGKILL at random moments of ingest, sync, delete, reindex, snapshot and restore; after
each, the index must be consistent.

    python -m eval.chaos.kills --kills 1000 --out eval/results/kills.json

Each run is a process of its own on a small index with a small embedder. It reports through a pipe
the change it begins and the changes that the store acknowledged. After it is killed, another
process opens the index as any user would and checks it: every acknowledged change is present and
complete, every other one complete or absent, both retrievers find what the database contains, and
the checks of `rag index doctor` find nothing. Stops with status 1 at the first violation and leaves
the folder for inspection.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from eval.scripts import OUT, SEED, finished, script
from rag.errors import RagError
from rag.ingestion.deletion import delete
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Sync
from rag.parsing.files import find
from rag.protocols import Vectors
from rag.store.local import snapshots
from rag.store.local.integrity import examine
from rag.store.local.reindex import rebuild
from rag.store.local.schema import text_digest
from rag.store.local.store import LocalStore
from rag.types import Document, Passage
from tests.store.helpers import EMBEDDER, EXPECT

_FILES = 30
State = dict[str, str]
"""Digests of texts by document id."""
Say = Callable[..., None]


class Announcing(LocalStore):
    """Reports each change before and after it."""

    def __init__(self, folder: Path, say: Say) -> None:
        super().__init__(folder, {}, wait=30)
        self._say = say

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        change = {document.id: text_digest(document.text)}
        gone = [instead_of] if instead_of and instead_of != document.id else []
        self._say("begin", change, gone)
        super().put(document, passages, vectors, instead_of)
        self._say("done")

    def delete(self, document_id: str) -> bool:
        self._say("begin", {}, [document_id])
        was = super().delete(document_id)
        self._say("done")
        return was


# The operations that are killed


PLACES = ("docs", "index", "a.ragsnap")
"""Documents, index and snapshot in the folder of a run."""
WEIGHTS = {"ingest": 4, "sync": 4, "delete": 2, "rebuild": 3, "snapshot": 2, "restore": 1}
"""Operations, and how often each is chosen."""


def operate(name: str, root: Path, chance: random.Random, say: Say) -> None:
    docs, index, snapshot = (root / place for place in PLACES)
    if name == "snapshot":
        snapshots.take_snapshot(index, snapshot)
        say("snapshot")
    elif name == "restore":
        if snapshot.exists():
            snapshots.restore(index, snapshot, replace=True, wait=30)
            say("restored")
            LocalStore(index, {}).close()
    elif name == "rebuild":
        rebuild(index, EMBEDDER, EMBEDDER.name, chance.choice([12, 12, 20]), wait=30)
        LocalStore(index, {}).close()
    else:
        store = Announcing(index, say)
        tokens = store.stats().passage_tokens
        if name == "ingest":
            Ingest(store, EMBEDDER, tokens).run(find([docs]))
        elif name == "sync":
            sync = Sync(Ingest(store, EMBEDDER, tokens, Stamps(index)))
            sync.run(docs, find([docs]), allow_many=True)
        else:
            ids = [document.id for document in store.documents()]
            delete(store, chance.sample(ids, min(len(ids), chance.randint(1, 4))))


def forked(task: Callable[[Say], object]) -> tuple[int, int]:
    """(process, its pipe) of a child that runs `task`, which reports JSON lines through the pipe; a
    failure is the line ["error", text]. Forked rather than started, which saves a second of imports
    per kill.
    """
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        return child, read

    def say(*report: object) -> None:
        os.write(write, (json.dumps(report) + "\n").encode())

    code = 1
    try:
        os.close(read)
        task(say)
        code = 0
    except BaseException as error:
        say("error", str(error) if isinstance(error, RagError) else repr(error))
    finally:
        os._exit(code)


def reports(pipe: int) -> list[list[Any]]:
    """All lines of a child, except one that the kill cut off. Closes the pipe."""
    with os.fdopen(pipe, "rb") as file:
        return [json.loads(line) for line in file.read().split(b"\n")[:-1]]


# The invariants


def defects(index: Path) -> list[str]:
    """What `rag index doctor` finds."""
    return [f"{finding.name}: {finding.detail}" for finding in examine(index) if not finding.ok]


def _check_index(root: Path, say: Say) -> None:
    """Open the index as a user would, search it, and run the doctor's checks."""
    _, index, snapshot = (root / place for place in PLACES)
    store = LocalStore(index, {}, wait=30)
    documents = [store.document(document.id) for document in store.documents()]
    state = {document.id: text_digest(document.text) for document in documents if document}
    vector = EMBEDDER.embed_queries(["herring"])[0]
    legs = [store.dense(vector, 10_000), store.lexical("herring", 10_000)]
    passages_of_legs = [store.passages([i for i, _ in leg]).values() for leg in legs]
    searched = [sorted({passage.document_id for passage in leg}) for leg in passages_of_legs]
    store.close()
    if snapshot.exists():
        snapshots.check(snapshot)
    say(state, searched, defects(index))


class Run:
    """Kill and check; `before` is what the index contained at the last check."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.docs = root, root / PLACES[0]
        self.chance = random.Random(seed)
        self.before: State = {}
        self.at_snapshot: list[State] = []
        self.kills, self.completed, self.outcome = (Counter[str]() for _ in range(3))
        self._takes = dict.fromkeys(WEIGHTS, 0.3)
        self.docs.mkdir()
        LocalStore(root / PLACES[1], EXPECT, create=True).close()

    def step(self) -> list[str]:
        """One operation, killed unless it finishes earlier. Returns the violations after it."""
        self._change_files()
        name = self.chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        seed = self.chance.random()
        begun = time.monotonic()
        child, pipe = forked(lambda say: operate(name, self.root, random.Random(seed), say))
        time.sleep(self.chance.uniform(0, 1.1 * self._takes[name]))
        killed = os.waitpid(child, os.WNOHANG)[0] == 0
        if killed:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        took = time.monotonic() - begun
        longer = 0.2 * took * (1.5 if killed else 0.8)
        self._takes[name] = max(0.02, 0.8 * self._takes[name] + longer)
        (self.kills if killed else self.completed)[name] += 1
        return self._check(name, reports(pipe))

    def _change_files(self) -> None:
        """A few files are added, changed, moved or deleted."""
        for _ in range(self.chance.randint(1, 5)):
            path = self.docs / f"{self.chance.randrange(_FILES):02}.txt"
            deed = self.chance.random()
            if deed < 0.6 or not path.exists():
                numbers = [self.chance.randrange(10**9) for _ in range(self.chance.randint(1, 12))]
                path.write_text("\n".join(f"Herring {n} in the cold sea." for n in numbers))
            elif deed < 0.8:
                path.rename(self.docs / f"{self.chance.randrange(_FILES):02}.txt")
            else:
                path.unlink()

    def _check(self, name: str, lines: list[list[Any]]) -> list[str]:
        errors = [line[1] for line in lines if line[0] == "error"]
        violations = [
            f"{name} failed: {error}" for error in errors if "no files there" not in error
        ]
        child, pipe = forked(lambda say: _check_index(self.root, say))
        state_lines = reports(pipe)
        os.waitpid(child, 0)
        if not state_lines or state_lines[0][0] == "error":
            return [*violations, f"after {name} it does not open: {state_lines}"]
        state, searched, findings = state_lines[0]
        violations += [f"doctor after {name}: {finding}" for finding in findings]
        held_documents = f"the database holds {sorted(state)}"
        legs = [leg for leg in searched if leg != sorted(state)]
        violations += [f"after {name} a leg finds {leg}, {held_documents}" for leg in legs]
        violations += self._compare(name, lines, state)
        self._remember(name, lines, state)
        return violations

    def _compare(self, name: str, lines: list[list[Any]], state: State) -> list[str]:
        """Violations: acknowledged changes must be present, the unfinished one wholly or not."""
        if name == "restore" and state in self.at_snapshot:
            return []
        acknowledged = dict(self.before)
        maybe = None
        for line in lines:
            if line[0] == "begin":
                maybe = _state_after(acknowledged, line)
            elif line[0] == "done" and maybe is not None:
                acknowledged, maybe = maybe, None
        if name == "restore" and any(line[0] == "restored" for line in lines):
            return [f"after restore it holds {state}, not what was in a snapshot"]
        if state == acknowledged:
            unfinished = "unacknowledged change absent"
            self.outcome["all acknowledged" if maybe is None else unfinished] += 1
            return []
        if state == maybe:
            self.outcome["unacknowledged change whole"] += 1
            return []
        differing = sorted(
            i for i in {*state, *acknowledged} if state.get(i) != acknowledged.get(i)
        )
        return [f"after {name} it holds {differing} other than what was acknowledged"]

    def _remember(self, name: str, lines: list[list[Any]], state: State) -> None:
        self.before = state
        if name == "snapshot":  # if killed, the older one may have stayed
            is_taken = bool(lines) and lines[-1][0] == "snapshot"
            self.at_snapshot = [state] if is_taken else [*self.at_snapshot, state]


def _state_after(state: State, line: list[Any]) -> State:
    put = line[1]
    gone = line[2]
    unchanged = {name: digest for name, digest in state.items() if name not in gone}
    return unchanged | {str(document_id): str(digest) for document_id, digest in put.items()}


@script(__doc__)
@click.option("--kills", default=1000, help="Number of processes to kill.")
@SEED
@OUT
def main(kills: int, seed: int, out: Path | None) -> dict[str, Any]:
    root = Path(tempfile.mkdtemp(prefix="rag-kills-"))
    run = Run(root, seed)
    begun = time.monotonic()
    while run.kills.total() < kills:
        if violations := run.step():
            raise SystemExit("\n".join([*violations, f"left to look at: {root}"]))
        if run.kills.total() % 50 == 0:
            print(f"{run.kills.total()} kills", file=sys.stderr)
    shutil.rmtree(root)
    result = {
        "kills": run.kills.total(),
        "by_operation": run.kills,
        "ended_before_the_kill": run.completed,
        "outcomes": run.outcome,
        "violations": 0,
        "seed": seed,
        "seconds": round(time.monotonic() - begun),
    }
    return finished(result, out)


if __name__ == "__main__":
    main()
