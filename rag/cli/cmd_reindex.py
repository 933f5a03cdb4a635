"""`rag rebuild`."""

from __future__ import annotations

import sys

import click
from tqdm import tqdm

from rag import build
from rag.cli.options import only_local, shared
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
    from rag.store.local import reindex

    only_local(settings, "rag rebuild", "create a new index in another database")
    if abandon:
        dropped = reindex.abandon(settings.index)
        print_json({"abandoned": dropped}) if as_json else click.echo(
            "discarded" if dropped else "no interrupted rebuild"
        )
        return
    # reports errors of the index before a model loads
    build.store(settings, any_embedder=True).close()
    with tqdm(unit="document", disable=None, file=sys.stderr) as progress:

        def on_start(total: int, done: int) -> None:
            progress.total = total
            progress.update(done)

        embedder, tokens = build.embedder(settings), settings.passage_tokens
        rebuild = reindex.Rebuild(settings.index, embedder, settings.embedder, tokens)
        made = rebuild.run(on_start, progress.update)
        build.store(settings).close()  # updates the search indexes
    if as_json:
        print_json(made)
        return
    resumed = f" ({made.resumed:,} done before an interruption)" if made.resumed else ""
    click.echo(
        f"{settings.index}: {made.documents:,} documents{resumed}, {made.passages:,} passages of "
        f"at most {made.passage_tokens} word-pieces, embedded by {made.embedder}"
    )
