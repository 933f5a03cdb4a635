"""`rag export`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import plural, shared, show
from rag.errors import InputError, NotFoundError
from rag.render.status import clean
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.desk.bundle import Bundle


@click.command("export")
@click.argument("source")
@click.option(
    "--bundle",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="The ZIP file to write.",
)
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    help="Sign the bundle's list of digests with this private key of SSH.",
)
@shared
def export_command(
    settings: Settings, as_json: bool, source: str, path: Path, key: Path | None
) -> None:
    """Write SOURCE into a bundle that anyone can check without rag: a page to read, the answers
    with their offsets and digests, the documents that they quote, and a program, verify.py.

    SOURCE is a file with the output of `rag ask --json`, or the name of a grid. The bundle has the
    whole quoted documents; keep it from people who may not read them.

    \b
    Examples:
      rag export answer.json --bundle proof.zip
      rag export leases --bundle leases.zip --sign ~/.ssh/id_ed25519
    """
    from rag.desk import bundle
    from rag.desk import grid as grids

    bundle.check_path(path, key)
    with closing(build.store(settings, any_embedder=True)) as store:
        if Path(source).is_file():
            written = bundle.write_answer(store, _content(Path(source)), path, key)
        elif source in store.grids():
            written = bundle.write_grid(store, grids.load(store, source), path, key)
        else:
            hint = "list the grids with: rag grid list; or write: rag ask --json … > answer.json"
            raise NotFoundError(f"{source!r} is neither a file nor a grid", hint)
    show(written, as_json, lambda: _lines(written))


def _content(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is not JSON: {error}", "give the output of `rag ask --json`"
        ) from error


def _lines(written: Bundle) -> list[str]:
    counts = [
        plural(written.answers, "answer"),
        plural(written.quotes, "quote"),
        plural(written.documents, "document"),
    ]
    return [
        f"{written.path}: {', '.join(counts)}",
        *(f"  without the original of {clean(name)}" for name in written.left_out),
        f"digest of its SHA256SUMS, for the recipient: {written.sha256}",
    ]
