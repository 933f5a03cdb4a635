"""`rag snapshot` and `rag restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import only_local, shared
from rag.errors import InputError
from rag.render.json import print_json
from rag.render.terminal import clean
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.store.local.snapshots import Snapshot

_PATH = click.Path(path_type=Path)


def _target(_: click.Context, __: click.Parameter, given: str) -> Path:
    """A trailing slash means a folder; Path drops it, so check it here."""
    if given.endswith("/") and not Path(given).is_dir():
        raise InputError(f"no such folder: {given}", "create it, or mount its disk")
    return Path(given)


@click.command("snapshot")
@click.argument("target", callback=_target)
@shared
def snapshot_command(settings: Settings, as_json: bool, target: Path) -> None:
    """Copy the index to the file TARGET, or to a new file in the folder TARGET.

    The index may be in use; the copy shows it at one moment, and any machine can restore it.
    Overwrites an existing snapshot, never any other file.

    \b
    Examples:
      rag snapshot notes.ragsnap
      rag snapshot /mnt/backups/
    """
    from rag.store.local import snapshots

    only_local(settings, "rag snapshot", "use the database's tool: pg_dump")
    made = snapshots.take(settings.index, target)
    if as_json:
        print_json(made)
        return
    click.echo(
        f"{clean(made.path)}: {made.documents:,} documents, {made.passages:,} passages, "
        f"{made.bytes:,} bytes"
    )
    click.echo(f"SHA-256 of its rows: {made.digest}")


@click.command("restore")
@click.argument("source", type=_PATH)
@click.option("--replace", is_flag=True, help="Overwrite an index that already contains documents.")
@click.option(
    "--check", "only_check", is_flag=True, help="Check the snapshot without restoring it."
)
@shared
def restore_command(
    settings: Settings, as_json: bool, source: Path, replace: bool, only_check: bool
) -> None:
    """Restore the index from the snapshot SOURCE: a file, or a folder whose newest snapshot is
    used. A damaged snapshot is rejected.

    Programs that have the index open switch to the restored data.

    \b
    Examples:
      rag restore notes.ragsnap --check
      rag restore /mnt/backups/ --index restored
      rag restore notes.ragsnap --replace
    """
    from rag.store.local import snapshots

    found = snapshots.check(source) if only_check else restore(settings, source, replace)
    if as_json:
        print_json(found)
        return
    what = "undamaged" if only_check else f"restored to {settings.index}"
    click.echo(
        f"{clean(found.path)}: {what}: {found.documents:,} documents, {found.passages:,} "
        f"passages, taken {found.taken}"
    )


def restore(settings: Settings, source: Path, replace: bool) -> Snapshot:
    """Replace the index with a snapshot and update its search indexes."""
    from rag.store.local import snapshots

    only_local(
        settings, "rag restore", "restore into a folder, then: rag migrate FOLDER postgresql://…"
    )
    restored = snapshots.restore(settings.index, source, replace, wait=5)
    build.store(settings, any_embedder=True).close()
    return restored
