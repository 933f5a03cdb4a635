"""`rag migrate`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click
from tqdm import tqdm

from rag import build
from rag.protocols import Store
from rag.render.json import print_json
from rag.settings import Settings
from rag.settings.addresses import SCHEMES, shown
from rag.settings.index_folder import DEFAULT_COLLECTION


@click.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--collection",
    metavar="NAME",
    default=DEFAULT_COLLECTION,
    help="Collection to copy, into one of the same name.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def migrate_command(source: str, target: str, collection: str, as_json: bool) -> None:
    """Copy the index FROM to the index TO. Each is a folder or a PostgreSQL address.

    Vectors are copied, not computed again. Every document is read back and compared. An
    interrupted migration resumes when it is run again.

    \b
    Examples:
      rag migrate index postgresql://user@db.example/rag
      rag migrate postgresql://user@db.example/rag copy-of-index
    """
    from rag.store.migrate import migrate

    old, new = open_both(source, target, collection)
    count = old.stats().documents
    with tqdm(total=count, unit="document", disable=None, file=sys.stderr) as progress:
        moved = migrate(old, new, progress.update)
    if as_json:
        print_json(moved)
        return
    here = f", {moved.present:,} already there" if moved.present else ""
    click.echo(
        f"{shown(target)}: {moved.documents:,} documents, {moved.passages:,} passages; "
        f"{moved.copied:,} copied{here}"
    )
    click.echo(f"SHA-256 of documents, passages and vectors, equal in both: {moved.digest}")


def open_both(
    source: str, target: str, collection: str = DEFAULT_COLLECTION
) -> tuple[Store, Store]:
    """The indexes `source` and `target`, each a folder or a PostgreSQL address, or the collection
    of this name in each. The target is created with the source's embedder if it is absent.
    """
    old = build.open_store(build.in_collection(_settings_at(source, collection)), {}, create=False)
    stats = old.stats()
    expect = {
        "embedder": stats.embedder,
        "dim": str(stats.dim),
        "passage_tokens": str(stats.passage_tokens),
    }
    into = _settings_at(target, collection)
    if collection != DEFAULT_COLLECTION:
        with closing(build.collections(into)) as there:
            if there.get(collection) is None:
                there.create(collection)
    return old, build.open_store(build.in_collection(into), expect, create=True)


def _settings_at(place: str, collection: str) -> Settings:
    given = {"store": place} if place.startswith(SCHEMES) else {"index": Path(place)}
    return Settings.load(**given, collection=collection)
