"""Sends SIGKILL while collections are created, filled, renamed and deleted; no change may be lost
or half applied.

    python -m eval.chaos.collection_kills --kills 1000 --out eval/results/collection_kills.json
    python -m eval.chaos.collection_kills --kills 20
    python -m eval.chaos.collection_kills --kills 200 --store postgresql://...

CI runs the second.

Two workers change collections of one index at a time, each its own, and report the beginning and
the end of each change through a pipe. Both are killed at a random moment. Then another process
opens everything: finished changes must be present, and unfinished ones applied completely or not at
all. Documents are read back, and an index in folders passes all checks of `rag index doctor`.

Processes are forked from one that has imported everything and opened nothing, so that a round takes
a fraction of a second.
"""

import os
import random
import select
import signal
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click

from eval.chaos.kills import Say, defects, forked, reports
from eval.scripts import OUT, SEED, finished, load, script
from rag import build
from rag.errors import AbsentError
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder
from tests.store.helpers import EXPECT, put_text

State = dict[str, dict[str, str]]
"""Texts of documents by collection and id."""
_WORKERS = ("a", "b")
_NAMES, _DOCUMENTS = 4, 6
_MAX_SECONDS = 0.4
"""Maximum number of seconds before a worker is killed."""


def work(settings: Settings, worker: str, state: State, seed: int, say: Say) -> None:
    """Makes changes until it is killed. Lines: ["begin", change], then ["done", change]."""
    chance = random.Random(seed)
    with closing(build.collections(settings)) as collections:
        while True:
            change = next_change(chance, worker, state)
            say("begin", change)
            kind, name, *details = change
            if kind == "create":
                collections.create(name)
            elif kind == "rename":
                collections.rename(name, details[0])
            elif kind == "drop":
                collections.delete(name)
            else:
                settings_inside = collections.inside(collections.named(name), settings)
                with closing(
                    build.store(settings_inside, BagOfWordsEmbedder(), create=True)
                ) as store:
                    if kind == "put":
                        put_text(store, details[0], details[1])
                    else:
                        store.delete(details[0])
            say("done", change)
            state = state_after(state, change)


def next_change(chance: random.Random, worker: str, state: State) -> list[str]:
    """A change that is possible in this state, with names of this worker only."""
    made_names = [name for name in state if name.startswith(worker)]
    free_names = [name for n in range(_NAMES) if (name := f"{worker}{n}") not in state]
    if not made_names or (free_names and chance.random() < 0.25):
        return ["create", chance.choice(free_names)]
    name = chance.choice(made_names)
    if free_names and chance.random() < 0.25:
        return ["rename", name, chance.choice(free_names)]
    if chance.random() < 0.15:
        return ["drop", name]
    if state[name] and chance.random() < 0.25:
        return ["delete", name, chance.choice(sorted(state[name]))]
    number = chance.randrange(1_000_000)
    words = " ".join(f"word{(number + n) % 50}" for n in range(chance.randrange(1, 60)))
    return ["put", name, f"{chance.randrange(_DOCUMENTS)}.txt", f"Number {number}. {words}."]


def state_after(state: State, change: list[str]) -> State:
    kind, name, *details = change
    next_state = {collection: dict(documents) for collection, documents in state.items()}
    if kind == "create":
        next_state[name] = {}
    elif kind == "rename":
        next_state[details[0]] = next_state.pop(name)
    elif kind == "drop":
        del next_state[name]
    elif kind == "put":
        next_state[name][details[0]] = details[1]
    else:
        del next_state[name][details[0]]
    return next_state


def examine(settings: Settings, say: Say) -> None:
    """Reports the state of the index, and its defects."""
    state = State()
    broken = list[str]()
    with closing(build.collections(settings)) as collections:
        for collection in collections.all():
            settings_inside = collections.inside(collection, settings)
            texts = state[collection.name] = {}
            try:
                store = build.store(settings_inside)
            except AbsentError:
                continue
            with closing(store):
                for document in store.documents():
                    stored = store.document(document.id)
                    passages, vectors = store.embedded(document.id)
                    assert stored is not None
                    texts[document.id] = stored.text
                    covered = all(p.text == stored.text[p.start : p.end] for p in passages)
                    if not covered or len(passages) != len(vectors) or not passages:
                        broken.append(f"{collection.name}/{document.id} is not whole")
                if store.stats().documents != len(texts):
                    broken.append(f"{collection.name}: statistics say otherwise")
            if settings.store == "local":
                broken += [
                    f"{collection.name}: {defect}" for defect in defects(settings_inside.index)
                ]
    if settings.store == "local" and (settings.index / "collections").exists():
        folder = settings.index / "collections"
        listed = {e.name for e in os.scandir(folder) if not e.name.startswith(".")}
        if listed != set(state):
            broken.append(f"folders {sorted(listed ^ set(state))} are of no collection")
    say(state, broken)


def run(settings: Settings, kills: int, seed: int = 1) -> dict[str, Any]:
    """Raises SystemExit at the first loss or half-applied change."""
    tokens = int(EXPECT["passage_tokens"])
    settings = replace(settings, embedder=EXPECT["embedder"], passage_tokens=tokens)
    chance = random.Random(seed)
    state = State()
    interrupted = Counter[str]()
    changes = Counter[str]()
    begun = time.monotonic()
    killed = 0
    while killed < kills:
        workers = [
            forked(partial(work, settings, worker, state, 1000 * seed + 10 * killed + number))
            for number, worker in enumerate(_WORKERS)
        ]
        for _, reading in workers:  # on a busy machine a worker begins late
            select.select([reading], [], [], 60)
        time.sleep(chance.uniform(0, _MAX_SECONDS))
        for child, _ in workers:
            os.kill(child, signal.SIGKILL)
        if not all(os.WIFSIGNALED(os.waitpid(child, 0)[1]) for child, _ in workers):
            raise SystemExit(f"a worker ended by itself after {killed} kills")
        killed += len(workers)
        unfinished = []
        for _, reading in workers:
            lines = reports(reading)
            if any(word == "error" for word, _ in lines):
                raise SystemExit(f"a worker failed after {killed} kills: {lines[-1]}")
            finished_changes = [change for word, change in lines if word == "done"]
            changes.update(change[0] for change in finished_changes)
            state = reduce(state_after, finished_changes, state)
            unfinished += [change for word, change in lines[-1:] if word == "begin"]
        interrupted.update(change[0] for change in unfinished)
        child, reading = forked(partial(examine, settings))
        examined, broken = reports(reading)[0]
        os.waitpid(child, 0)
        allowed = [state]  # with each unfinished change applied or not
        for change in unfinished:
            allowed += [state_after(allowed_state, change) for allowed_state in allowed]
        if broken or examined not in allowed:
            difference = f"found: {examined}\nexpected: {state}\nunfinished: {unfinished}"
            raise SystemExit(f"after {killed} kills: {broken}\n{difference}")
        state = examined
    return {
        "store": "folders" if settings.store == "local" else "PostgreSQL",
        "kills": killed,
        "changes_done": dict(sorted(changes.items())),
        "changes_interrupted": dict(sorted(interrupted.items())),
        "lost": 0,
        "half_there": 0,
        "seconds": round(time.monotonic() - begun, 1),
        "load": load(),
    }


@script(__doc__)
@click.option("--kills", default=20, help="Number of processes to kill.")
@click.option("--store", default="local", help="Address of an empty database, or folders.")
@SEED
@OUT
def main(kills: int, store: str, seed: int, out: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return finished(run(Settings(index=Path(folder), store=store), kills, seed), out)


if __name__ == "__main__":
    main()
