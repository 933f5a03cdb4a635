"""`rag migrate`."""

from __future__ import annotations

import sys

import click
from tqdm import tqdm

from rag import build
from rag.render.json import print_json
from rag.settings import shown


@click.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def migrate_command(source: str, target: str, as_json: bool) -> None:
    """Make the index TO hold what the index FROM holds: folders, or PostgreSQL addresses.

    Vectors are moved, not made again. Every document is read back and compared; after an
    interruption run it again, and it goes on where it was.
    """
    count, run = build.migration(source, target)
    with tqdm(total=count, unit="document", disable=None, file=sys.stderr) as progress:
        moved = run(progress.update)
    if as_json:
        print_json(moved)
        return
    here = f", {moved.present:,} were there" if moved.present else ""
    click.echo(
        f"{shown(target)}: {moved.documents:,} documents, {moved.passages:,} passages; "
        f"{moved.copied:,} copied{here}"
    )
    click.echo(f"sha256 of documents, passages and vectors, in both: {moved.digest}")
