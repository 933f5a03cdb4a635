"""`rag index`: shows, checks, copies, restores, rebuilds and moves an index."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import LocalPath, argument, command, field_names, only_local, option, show
from rag.errors import AbsentError, ConflictError, InputError, RagError
from rag.models.registry import embedder_path, reader_path
from rag.protocols import Stats, Store
from rag.render.status import clean
from rag.settings import DEFAULT_COLLECTION, Settings, place_settings, public_address
from rag.types import Document

if TYPE_CHECKING:
    from rag.store.local.integrity import Finding
    from rag.store.local.snapshots import Snapshot
    from rag.store.migrate import Moved


@command("info")
def info_command(settings: Settings) -> None:
    """Show the index's size, its models and its settings.

    \b
    Examples:
      rag index info
      rag index info --index ~/notes/index --json
    """
    stats = build.store(settings, any_embedder=True).stats()
    facts = dataclasses.asdict(stats) | {"index": settings.place}
    if settings.store == "local":
        size = sum(path.stat().st_size for path in settings.index.rglob("*") if path.is_file())
        facts |= {"index": str(settings.index.resolve()), "bytes": size}
    values = {name: f"{v:,}" if isinstance(v, int) else clean(str(v)) for name, v in facts.items()}
    show(facts, [f"{n.replace('_', ' '):15} {v}" for n, v in values.items()])


_SNAPSHOT = "path taken generation documents passages bytes digest"


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """`fix` is the next step after a failure; `mended`: it had failed, and is repaired now."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    mended: bool = False


@command("doctor", fields=field_names(DoctorCheck))
def doctor_command(
    settings: Settings,
    repair: bool = option("Also rebuild passages and vectors that do not match their text."),
) -> None:
    """Check Python, the models and every row of the index, and suggest fixes.

    Broken search indexes are rebuilt; documents that cannot be repaired are listed. Exits with
    status 1 if something is wrong.

    \b
    Examples:
      rag index doctor
      rag index doctor --repair
      rag index doctor --json | jq '.[] | select(.ok | not)'
    """
    version, newer = sys.version.split()[0], "install Python 3.11 or later"
    checks = [
        DoctorCheck("python", sys.version_info >= (3, 11), version, newer),
        _doctor_check("embedder", lambda: embedder_path(settings.embedder)[0]),
        _doctor_check("reader", lambda: reader_path(settings.reader)[0]),
        _doctor_check("embedder runs", lambda: f"{build.embedder(settings).dim} dimensions"),
        _doctor_check("reader runs", lambda: build.reader(settings).name),
    ]
    if settings.store == "local":
        folder = settings.index.absolute()
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        fix = f"make {existing} writable, or choose another folder with --index"
        is_writable = os.access(existing, os.W_OK)
        checks.append(DoctorCheck("index folder", is_writable, str(settings.index), fix))
    checks += _index(settings, repair)
    checks.append(_doctor_check("index opens", lambda: _size(build.store(settings).stats())))
    lines = []
    for check in checks:
        state = "fixed" if check.mended else "ok   " if check.ok else "WRONG"
        lines.append(f"{state} {check.name}: {clean(check.detail)}")
        lines += [f"      {clean(check.fix)}"] if check.fix and not check.ok else []
    show(checks, lines)
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _doctor_check(name: str, look: Callable[[], str]) -> DoctorCheck:
    try:
        return DoctorCheck(name, True, look())
    except RagError as error:
        return DoctorCheck(name, False, error.message, error.hint)


def _index(settings: Settings, repair: bool) -> list[DoctorCheck]:
    try:
        findings = examine(settings)
        if any(finding.derived and not finding.ok for finding in findings):
            build.store(settings, any_embedder=True).close()
        documents = sorted(
            {document_id for finding in findings for document_id in finding.documents}
        )
        if repair and documents:
            _repair(settings, documents)
        findings_after = findings if all(finding.ok for finding in findings) else examine(settings)
    except AbsentError:  # reported by the check "index opens"
        return []
    except RagError as error:
        return [DoctorCheck("index", False, error.message, error.hint)]
    was_wrong = {finding.name: finding.detail for finding in findings if not finding.ok}
    checks = []
    for finding in findings_after:
        mended = finding.ok and finding.name in was_wrong
        detail = f"repaired; before: {was_wrong[finding.name]}" if mended else finding.detail
        fix = "" if finding.ok else finding.fix
        checks.append(DoctorCheck(finding.name, finding.ok, detail, fix, mended))
    return checks


def examine(settings: Settings) -> list[Finding]:
    """Check the index. A database is checked by its server; only its copies are named."""
    from rag.store.duplicates import duplicates_in_words
    from rag.store.local import integrity

    if settings.store == "local":
        return integrity.examine(settings.index)
    with closing(build.postgres(settings, {}, create=False)) as opened:
        return [integrity.Finding("copies", True, duplicates_in_words(opened.duplicates()))]


def _repair(settings: Settings, ids: Sequence[str]) -> None:
    """Split and embed these documents again from the text in the index."""
    from rag.ingestion.pipeline import index

    embedder = build.embedder(settings)
    with closing(build.store(settings, embedder)) as store:

        def check(document: Document) -> None:
            if store.document(document.id) != document:
                message = f"{document.id} has changed in the meantime"
                raise ConflictError(message, "run again: rag index doctor")

        documents = (document for name in ids if (document := store.document(name)))
        index(documents, store, embedder, settings.passage_tokens, check)


def _target(_: click.Context, __: click.Parameter, path: str) -> Path:
    """A trailing slash means a folder; Path drops it, so check it here."""
    if path.endswith("/") and not Path(path).is_dir():
        raise InputError(f"no such folder: {path}", "create it, or mount its disk")
    return Path(path)


@command("snapshot", fields=_SNAPSHOT)
def snapshot_command(
    settings: Settings, target: Path = argument(type=LocalPath(), callback=_target)
) -> None:
    """Copy the index to the file TARGET, or to a new file in the folder TARGET.

    The index may be in use; the copy shows it at one moment, and any machine can restore it.
    Overwrites an existing snapshot, never any other file.

    \b
    Examples:
      rag index snapshot notes.ragsnap
      rag index snapshot /mnt/backups/
    """
    from rag.store.local import snapshots

    only_local(settings, "rag index snapshot", "use the database's tool: pg_dump")
    snapshot = snapshots.take_snapshot(settings.index, target)
    size = f"{_size(snapshot)}, {snapshot.bytes:,} bytes"
    digest = f"SHA-256 of its rows: {snapshot.digest}"
    show(snapshot, [f"{clean(snapshot.path)}: {size}", digest])


@command("restore", fields=_SNAPSHOT)
def restore_command(
    settings: Settings,
    source: Path,
    replace: bool = option("Overwrite an index that already contains documents."),
    only_check: bool = option("Check the snapshot without restoring it.", "--check"),
) -> None:
    """Restore the index from the snapshot SOURCE: a file, or a folder whose newest snapshot is
    used. A damaged snapshot is rejected.

    Programs that have the index open switch to the restored data.

    \b
    Examples:
      rag index restore notes.ragsnap --check
      rag index restore /mnt/backups/ --index restored
      rag index restore notes.ragsnap --replace
    """
    from rag.store.local import snapshots

    if only_check:
        snapshot, outcome = snapshots.check(source), "undamaged"
    else:
        hint = "restore into a folder, then: rag index migrate FOLDER postgresql://…"
        only_local(settings, "rag index restore", hint)
        snapshot = snapshots.restore(settings.index, source, replace, wait=5)
        outcome = f"restored to {settings.index}"
        build.store(settings, any_embedder=True).close()  # updates the search indexes
    text = f"{outcome}: {_size(snapshot)}, taken {snapshot.taken}"
    show(snapshot, f"{clean(snapshot.path)}: {text}")


@command(
    "rebuild",
    fields="documents passages resumed embedder passage_tokens abandoned",
)
def rebuild_command(
    settings: Settings, abandon: bool = option("Discard an interrupted rebuild.")
) -> None:
    """Split and embed all documents again with the current settings, using the text in the index.

    The index answers from the old passages until the rebuild is done, then switches to the new
    ones. An interrupted rebuild resumes when it is run again.

    \b
    Examples:
      RAG_PASSAGE_TOKENS=120 rag index rebuild
      RAG_EMBEDDER=BAAI/bge-small-en-v1.5 rag index rebuild
      rag index rebuild --abandon
    """
    from tqdm import tqdm

    from rag.store.local import reindex

    only_local(settings, "rag index rebuild", "create a new index in another database")
    if abandon:
        dropped = reindex.abandon(settings.index)
        show({"abandoned": dropped}, "discarded" if dropped else "no interrupted rebuild")
        return
    # reports errors of the index before a model loads
    build.store(settings, any_embedder=True).close()
    with tqdm(unit="document", disable=None, file=sys.stderr) as bar:

        def on_start(total: int, rebuilt: int) -> None:
            bar.total = total
            bar.update(rebuilt)

        result = reindex.rebuild(
            settings.index,
            embedder=build.embedder(settings),
            name=settings.embedder,
            passage_tokens=settings.passage_tokens,
            on_start=on_start,
            on_progress=bar.update,
        )
        build.store(settings).close()  # updates the search indexes
    resumed = f" ({result.resumed:,} done before an interruption)" if result.resumed else ""
    size = f"{result.documents:,} documents{resumed}, {result.passages:,} passages"
    cut = f"of at most {result.passage_tokens} word-pieces, embedded by {result.embedder}"
    show(result, f"{settings.index}: {size} {cut}")


@command("migrate", "none", fields="documents passages copied present digest")
def migrate_command(
    source: str = argument(metavar="FROM"),
    target: str = argument(metavar="TO"),
    collection: str = option(
        "Collection to copy, into one of the same name.", metavar="NAME", default=DEFAULT_COLLECTION
    ),
) -> None:
    """Copy the index FROM to the index TO. Each is a folder or a PostgreSQL address.

    Vectors are copied, not computed again. Every document is read back and compared. An
    interrupted migration resumes when it is run again.

    \b
    Examples:
      rag index migrate index postgresql://user@db.example/rag
      rag index migrate postgresql://user@db.example/rag copy-of-index
    """
    from tqdm import tqdm

    from rag.store.migrate import migrate

    source_store, target_store = open_both(source, target, collection)
    count = source_store.stats().documents
    with tqdm(total=count, unit="document", disable=None, file=sys.stderr) as bar:
        moved = migrate(source_store, target_store, bar.update)
    remark = f", {moved.present:,} already there" if moved.present else ""
    digest = f"SHA-256 of documents, passages and vectors, equal in both: {moved.digest}"
    size = f"{_size(moved)}; {moved.copied:,} copied{remark}"
    show(moved, [f"{public_address(target)}: {size}", digest])


def _size(counted: Snapshot | Moved | Stats) -> str:
    return f"{counted.documents:,} documents, {counted.passages:,} passages"


def open_both(
    source: str, target: str, collection: str = DEFAULT_COLLECTION
) -> tuple[Store, Store]:
    """The indexes `source` and `target`, each a folder or a PostgreSQL address, or the collection
    of this name in each. The target is created with the source's embedder if it is absent.
    """
    origin, into = _settings_at(source, collection), _settings_at(target, collection)
    source_store = build.open_store(build.in_collection(origin), {}, create=False)
    stats = source_store.stats()
    numbers = {"dim": str(stats.dim), "passage_tokens": str(stats.passage_tokens)}
    expect = {"embedder": stats.embedder, **numbers}
    if collection != DEFAULT_COLLECTION:
        with closing(build.collections(into)) as collections:
            if collections.get(collection) is None:
                collections.create(collection)
    return source_store, build.open_store(build.in_collection(into), expect, create=True)


def _settings_at(place: str, collection: str) -> Settings:
    return Settings.load(**place_settings(place), collection=collection)
