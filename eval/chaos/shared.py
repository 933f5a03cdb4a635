"""Runs writers and readers of one index, each a process of its own, for some time; no read may be
partial, wrong or refused.

    python -m eval.chaos.shared --minutes 10 --writers 2 --readers 8 --out eval/results/shared.json

Writers sync folders of their own, whose files change, move and disappear, and delete documents.
Readers ask, and compare every citation with the text of its document in that version, which the
version number in it determines; and they check that documents are complete. Exits with status 1
after any violation.
"""

import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import click

from eval.chaos.kills import defects, forked, reports
from eval.scripts import OUT, SEED, finished, script
from rag import build
from rag.engine import Engine
from rag.errors import EmptyError
from rag.ingestion.chunking import split_document
from rag.ingestion.deletion import delete
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Sync
from rag.parsing.files import find
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Citation
from tests.fakes import NameReader
from tests.store.helpers import EMBEDDER, EXPECT

_FILES = 25
_TOKENS = 16
_MANIFEST = EXPECT | {"passage_tokens": str(_TOKENS)}
_VERSION = re.compile(r"version (\d+)")
_WAIT = 120.0
_PAUSE = 0.02
"""Seconds between the questions of a reader, so that ten processes share two cores."""


def text_of(name: str, version: int) -> str:
    """Each sentence names file and version; how many there are depends on the version."""
    sentences = (
        f"Herring {n} of {name} was seen near Oslo in version {version}." for n in range(99)
    )
    return " ".join(islice(sentences, 1 + version % 13)) + "\n"


# Writers


def write(
    index: Path, docs: Path, until: float, chance: random.Random, counts: Counter[str]
) -> None:
    store = LocalStore(index, _MANIFEST, wait=_WAIT)
    while time.time() < until:
        _change_files(docs, chance)
        if chance.random() < 0.15:
            ids = [document.id for document in store.documents()]
            mine = [name for name in ids if name.startswith(f"{docs.name}/")]
            receipts = delete(store, chance.sample(mine, min(2, len(mine))))
            counts["deleted"] += len(receipts)
            counts["wrong"] += sum(not receipt.complete for receipt in receipts)
        sync = Sync(Ingest(store, EMBEDDER, _TOKENS, Stamps(index / docs.name)))
        changes = sync.run(docs, find([docs]), allow_many=True)
        kinds = changes.added, changes.updated, changes.renamed, changes.removed
        counts["changes"] += sum(len(kind) for kind in kinds)


def _change_files(docs: Path, chance: random.Random) -> None:
    """Files are added, changed and deleted; a renamed one would keep its old name in its text."""
    for _ in range(chance.randint(1, 4)):
        path = docs / f"{docs.name}-{chance.randrange(_FILES):02}.txt"
        if chance.random() < 0.85 or not path.exists():
            path.write_text(text_of(path.stem, chance.randrange(10**6)))
        else:
            path.unlink()


# Readers


def read(
    index: Path, docs: Path, until: float, chance: random.Random, counts: Counter[str]
) -> None:
    store = LocalStore(index, _MANIFEST, wait=_WAIT)
    settings = Settings(index=index, embedder=EMBEDDER.name, passage_tokens=_TOKENS, threshold=0.0)
    engine = build.assemble(settings, store, EMBEDDER, NameReader())
    while time.time() < until:
        begun = time.monotonic()
        _ask(engine, chance, counts)
        counts["milliseconds"] += round(1000 * (time.monotonic() - begun))
        _check_document(store, chance, counts)
        time.sleep(_PAUSE)


def _ask(engine: Engine, chance: random.Random, counts: Counter[str]) -> None:
    name = f"docs{chance.randrange(2)}-{chance.randrange(_FILES):02}"
    try:
        answer = engine.ask(f"Where was herring {chance.randrange(13)} of {name} seen?")
    except EmptyError:
        return
    counts["asked"] += 1
    citations = [
        *answer.citations,
        *(c for alternative in answer.alternatives for c in alternative.citations),
    ]
    counts["citations"] += len(citations)
    counts["wrong"] += sum(not _is_verbatim(citation) for citation in citations)


def _is_verbatim(citation: Citation) -> bool:
    name = Path(citation.document_id).stem
    match = _VERSION.search(citation.sentence)
    version = int(match.group(1)) if match else -1
    text = text_of(name, version)
    quoted = text[citation.start : citation.end] == citation.quote
    sentence = text[citation.sentence_start : citation.sentence_end] == citation.sentence
    return quoted and sentence and citation.sha256 == hashlib.sha256(text.encode()).hexdigest()


def _check_document(store: LocalStore, chance: random.Random, counts: Counter[str]) -> None:
    """A document has one version, with all passages of that version."""
    documents = store.documents()
    if not documents:
        return
    name = chance.choice(documents).id
    document, (passages, vectors) = store.document(name), store.embedded(name)
    reread = store.document(name)
    if document is None or reread is None or reread.sha256 != document.sha256:
        counts["changed_meanwhile"] += 1
        return
    counts["documents"] += 1
    expected = split_document(document, EMBEDDER.count_tokens, _TOKENS)
    is_whole = passages == expected and len(vectors) == len(passages)
    versions = {int(version) for version in _VERSION.findall(document.text)}
    texts = [text_of(Path(name).stem, version).strip() for version in versions]
    counts["wrong"] += not (is_whole and texts == [document.text.strip()])


# All processes


def run(root: Path, seconds: float, writers: int, readers: int, seed: int) -> dict[str, object]:
    index = root / "index"
    until = time.time() + seconds
    LocalStore(index, _MANIFEST, create=True).close()
    folders = [root / f"docs{n}" for n in range(writers)]
    for n, folder in enumerate(folders):
        folder.mkdir()
        (index / folder.name).mkdir()  # a file cache for each writer
        (folder / f"{folder.name}-00.txt").write_text(text_of(f"{folder.name}-00", n))

    def run_part(number: int, say: Callable[..., None]) -> None:
        counts = Counter[str]()
        chance = random.Random(seed + number)
        is_writer = number < writers
        try:
            part, folder = (write, folders[number]) if is_writer else (read, folders[0])
            part(index, folder, until, chance, counts)
        finally:
            say("counts", counts)

    children = [forked(partial(run_part, number)) for number in range(writers + readers)]
    totals = Counter[str]()
    errors = list[str]()
    for child, pipe in children:
        for kind, report in reports(pipe):
            totals.update(report) if kind == "counts" else errors.append(report)
        if os.waitpid(child, 0)[1] and not errors:
            errors.append("a process ended without a report")
    LocalStore(index, {}).close()
    milliseconds = totals.pop("milliseconds", 0) / max(1, totals["asked"])
    names = "wrong asked citations documents changes deleted changed_meanwhile".split()
    counts = {name: totals[name] for name in names}
    facts = {"seconds": round(seconds), "writers": writers, "readers": readers, **counts}
    return facts | {
        "mean_milliseconds": round(milliseconds, 1),
        "errors": errors,
        "doctor": defects(index),
        "seed": seed,
    }


@script(__doc__)
@click.option("--minutes", default=10.0, help="How long the processes run.")
@click.option("--writers", default=2, help="Number of processes that write.")
@click.option("--readers", default=8, help="Number of processes that read.")
@SEED
@OUT
def main(
    minutes: float, writers: int, readers: int, seed: int, out: Path | None
) -> dict[str, object]:
    root = Path(tempfile.mkdtemp(prefix="rag-shared-"))
    result = run(root, 60 * minutes, writers, readers, seed)
    if faults := result["wrong"] or result["errors"] or result["doctor"]:
        print(f"left to look at: {root}", file=sys.stderr)
    else:
        shutil.rmtree(root)
    return finished(result, out, faults)


if __name__ == "__main__":
    main()
