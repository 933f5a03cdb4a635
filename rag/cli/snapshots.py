"""`rag snapshot` and `rag restore`."""

from __future__ import annotations

from pathlib import Path

import click

from rag import build
from rag.cli.options import shared
from rag.errors import InputError
from rag.render.json import print_json
from rag.render.terminal import clean
from rag.settings import Settings

_PATH = click.Path(path_type=Path)


def _target(_: click.Context, __: click.Parameter, given: str) -> Path:
    """Of "backups/" a folder is meant, which Path would forget."""
    if given.endswith("/") and not Path(given).is_dir():
        raise InputError(f"there is no folder {given}", "make it, or mount its disk")
    return Path(given)


@click.command("snapshot")
@click.argument("target", callback=_target)
@shared
def snapshot_command(settings: Settings, as_json: bool, target: Path) -> None:
    """Copy the index to the file TARGET, or to a new file in the folder TARGET.

    It may be in use meanwhile; the copy is of one moment, and any machine can restore it. An older
    snapshot at TARGET is replaced; any other file there is left as it is, and an error.
    """
    made = build.snapshot(settings, target)
    if as_json:
        print_json(made)
        return
    click.echo(
        f"{clean(made.path)}: {made.documents:,} documents, {made.passages:,} passages, "
        f"{made.bytes:,} bytes"
    )
    click.echo(f"sha256 of its rows: {made.digest}")


@click.command("restore")
@click.argument("source", type=_PATH)
@click.option("--replace", is_flag=True, help="Also if the index holds documents already.")
@click.option(
    "--check", "only_check", is_flag=True, help="Only check the snapshot, and change nothing."
)
@shared
def restore_command(
    settings: Settings, as_json: bool, source: Path, replace: bool, only_check: bool
) -> None:
    """Make the index what the snapshot SOURCE holds (a file, or a folder for the newest in it), if
    it is undamaged.

    Programs that have the index open go on with what was restored.
    """
    found = build.restore(settings, source, replace, only_check)
    if as_json:
        print_json(found)
        return
    what = "is whole" if only_check else f"restored to {settings.index}"
    click.echo(
        f"{clean(found.path)}: {what}: {found.documents:,} documents, {found.passages:,} "
        f"passages, of {found.taken}"
    )
