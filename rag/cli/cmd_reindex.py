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
@click.option("--abandon", is_flag=True, help="Discard an interrupted rebuild.")
@shared
def rebuild_command(settings: Settings, as_json: bool, abandon: bool) -> None:
    """Split and embed all documents again with the current settings, using the text in the index.

    The index answers from the old passages until the rebuild is done, then switches to the new
    ones. An interrupted rebuild resumes when it is run again.

    \b
    Examples:
      RAG_PASSAGE_TOKENS=120 rag rebuild
      RAG_EMBEDDER=BAAI/bge-small-en-v1.5 rag rebuild
      rag rebuild --abandon
    """
    if abandon:
        dropped = build.abandon_rebuild(settings)
        print_json({"abandoned": dropped}) if as_json else click.echo(
            "discarded" if dropped else "no interrupted rebuild"
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
    resumed = f" ({made.resumed:,} done before an interruption)" if made.resumed else ""
    click.echo(
        f"{settings.index}: {made.documents:,} documents{resumed}, {made.passages:,} passages of "
        f"at most {made.passage_tokens} word-pieces, embedded by {made.embedder}"
    )
