"""`rag migrate`."""

from __future__ import annotations

import sys

import click
from tqdm import tqdm

from rag import build
from rag.render.json import print_json
from rag.settings import DEFAULT_COLLECTION, shown


@click.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--collection",
    metavar="NAME",
    default=DEFAULT_COLLECTION,
    help="Collection to copy, into the one of that name; by default the index itself.",
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
    count, run = build.migration(source, target, collection)
    with tqdm(total=count, unit="document", disable=None, file=sys.stderr) as progress:
        moved = run(progress.update)
    if as_json:
        print_json(moved)
        return
    here = f", {moved.present:,} already there" if moved.present else ""
    click.echo(
        f"{shown(target)}: {moved.documents:,} documents, {moved.passages:,} passages; "
        f"{moved.copied:,} copied{here}"
    )
    click.echo(f"SHA-256 of documents, passages and vectors, equal in both: {moved.digest}")
