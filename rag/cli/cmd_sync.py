"""`rag sync`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import counts, plural, quotes_lines, shared, show, skipped_lines
from rag.errors import BusyError, InputError, NotFoundError, RagError, install_line
from rag.ingestion.progress import IngestProgress
from rag.ingestion.sync import Changes
from rag.render.status import Status, clean
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
@click.option("--watch", is_flag=True, help="Keep syncing after each change until interrupted.")
@click.option("--name", help="Folder name to use in document ids. Default: its own name.")
@shared
def sync_command(
    settings: Settings, folder: Path, dry_run: bool, many: bool, watch: bool, name: str | None
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
    if dry_run and watch:
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

        standing = StandingGrids(settings)

        def report(changes: Changes) -> None:
            show(changes, _report(changes, settings.place))
            sys.stdout.flush()
            standing.refresh(changes)

        if watch:
            _follow(root, settings.index, once, report)
        else:
            report(once())


class StandingGrids:
    """The grids that are asked again after a sync. The models load with the first question."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _engine(self) -> Engine:
        return build.engine(self._settings)

    def refresh(self, changes: Changes) -> None:
        """Ask them, and say on stderr what changed; errors do not undo a sync."""
        from rag.desk.grid_run import refresh

        if changes.dry_run:
            return
        with closing(build.store(self._settings)) as store, Status("asking standing grids"):
            for one in refresh(store, lambda: self._engine, changes.any):
                name = clean(one.name)
                news = f"{plural(one.changed, 'answer')} changed; see: rag grid changes {name!r}"
                outcome = one.error or (news if one.changed else "no answer changed")
                click.echo(f"rag: grid {name}: {clean(outcome)}", err=True)


def _follow(
    root: Path, index: Path, once: Callable[[], Changes], report: Callable[[Changes], None]
) -> None:
    """Sync now and after each change. Errors are printed, and the next change tries again."""
    try:
        from watchfiles import DefaultFilter, watch
    except ImportError as error:
        raise InputError(
            "--watch needs the package watchfiles", f"run: {install_line('watch')}"
        ) from error
    first = True
    busy = False
    # A sync writes to the index folder and would trigger itself.
    followed = DefaultFilter(ignore_paths=[os.path.join(index.resolve(), "")])
    # Watch before the first sync, so that changes during it are not missed.
    for changes in watch(
        root,
        watch_filter=followed,
        rust_timeout=500,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        if not (changes or first or busy):
            continue
        try:
            result = once()
            if first or result.any or result.skipped:
                report(result)
            busy = False
        except RagError as error:
            busy = isinstance(error, BusyError)
            click.echo(f"rag: {error}", err=True)
        first = False


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
