"""`rag sync`: makes the index match a folder, once or after each change of its files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import counts, quotes_lines, shared, show, skipped_lines
from rag.errors import InputError, NotFoundError
from rag.ingestion.progress import IngestProgress
from rag.ingestion.sync import Changes
from rag.ingestion.watch import watch
from rag.render.status import Status, clean, plural
from rag.server.feedback import forget_quotes
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.engine import Engine


@click.command("sync")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option(
    "--allow-mass-delete",
    "many",
    is_flag=True,
    help="Delete documents even if much of the folder has disappeared.",
)
@click.option(
    "--watch", "is_watching", is_flag=True, help="Keep syncing after each change until interrupted."
)
@click.option("--name", help="Folder name to use in document ids. Default: its own name.")
@shared
def sync_command(
    settings: Settings, folder: Path, dry_run: bool, many: bool, is_watching: bool, name: str | None
) -> None:
    """Make the index match FOLDER: add, update, rename and remove documents.

    Files are compared by content, so a renamed file is not embedded again. Documents from other
    folders are left alone.

    \b
    Examples:
      rag sync ~/notes --dry-run
      rag sync ~/notes
      rag sync ~/notes --watch
    """
    if dry_run and is_watching:
        raise InputError("--dry-run and --watch cannot be combined", "leave one out")
    root = folder.resolve()
    if not root.is_dir():
        raise NotFoundError(
            f"no such folder: {folder}",
            "check the path; if you deleted the folder, remove its documents with: rag delete",
        )
    with build.pool(settings) as pool:
        progress = IngestProgress()
        loader, forgetting = progress.loader(pool), partial(forget_quotes, settings.index)
        with Status("opening the index"):
            sync = build.sync(settings, loader, not dry_run, progress.on_embedded, forgetting)

        def once() -> Changes:
            files = build.files(settings, [root], name or sync.name_of(root))
            if dry_run:
                return sync.preview(root, files)
            progress.begin(files)
            try:
                with Status(progress.describe, log=True):
                    return sync.run(root, files, many, progress.on_progress)
            except KeyboardInterrupt:
                click.echo(
                    "rag: stopped; finished documents are stored; run it again to continue",
                    err=True,
                )
                sys.exit(130)

        @cache
        def engine() -> Engine:
            return build.engine(settings)

        def report(changes: Changes) -> None:
            show(changes, _report(changes, settings.place))
            sys.stdout.flush()
            if not changes.dry_run:
                _ask_grids(settings, engine, changes.any)

        if is_watching:
            watch(root, settings.index, once, report, lambda e: click.echo(f"rag: {e}", err=True))
        else:
            report(once())


def _ask_grids(settings: Settings, engine: Callable[[], Engine], has_changed: bool) -> None:
    """Ask standing grids, and say on stderr what changed; errors do not undo a sync."""
    from rag.desk.grid_run import refresh

    with closing(build.store(settings)) as store, Status("asking standing grids"):
        for grid in refresh(store, engine, has_changed):
            name = clean(grid.name)
            news = f"{plural(grid.changed, 'answer')} changed; see: rag grid changes {name!r}"
            outcome = grid.error or (news if grid.changed else "no answer changed")
            click.echo(f"rag: grid {name}: {clean(outcome)}", err=True)


def _report(changes: Changes, index: str) -> list[str]:
    words = ("added", "updated", "renamed", "removed", "unchanged", "skipped")
    state = "" if changes.any else "; the index has not changed"
    if changes.dry_run:
        state = "; nothing was changed (dry run)"
    lines = [f"{index}: {counts(changes, words) or 'no documents'}{state}"]
    if changes.dry_run:
        lines += _named(changes)
    if changes.refused:
        lines.append(f"  refused without --allow-mass-delete: {clean(changes.refused)}")
    return [*lines, *quotes_lines(changes.quotes), *skipped_lines(changes.skipped)]


def _named(changes: Changes) -> list[str]:
    signs = [("+", changes.added), ("~", changes.updated), ("-", changes.removed)]
    lines = [f"  {sign} {clean(document_id)}" for sign, ids in signs for document_id in ids]
    return lines + [f"  > {clean(old)} -> {clean(new)}" for old, new in changes.renamed]
