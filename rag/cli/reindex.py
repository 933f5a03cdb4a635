"""`rag rebuild`."""

from __future__ import annotations

import sys

import click
from tqdm import tqdm

from rag import build
from rag.cli.options import shared
from rag.render.json import print_json
from rag.settings import Settings


@click.command("rebuild")
@click.option("--abandon", is_flag=True, help="Drop what an interrupted rebuild has made.")
@shared
def rebuild_command(settings: Settings, as_json: bool, abandon: bool) -> None:
    """Split and embed all documents again, from the text in the index, with the present settings.

    The index answers as before until the end, then at once from the new passages. Interrupted, it
    goes on where it was.
    """
    if abandon:
        dropped = build.abandon_rebuild(settings)
        print_json({"abandoned": dropped}) if as_json else click.echo(
            "dropped" if dropped else "there was nothing to drop"
        )
        return
    with tqdm(unit="document", disable=None, file=sys.stderr) as progress:

        def begun(total: int, done: int) -> None:
            progress.total = total
            progress.update(done)

        made = build.rebuild(settings, begun, progress.update)
    if as_json:
        print_json(made)
        return
    resumed = f" ({made.resumed:,} of them before an interruption)" if made.resumed else ""
    how = f"{made.embedder}, at most {made.passage_tokens} word-pieces"
    click.echo(
        f"{settings.index}: {made.documents:,} documents{resumed}, {made.passages:,} passages, by "
        f"{how}"
    )
