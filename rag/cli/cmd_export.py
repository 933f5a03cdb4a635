"""`rag export`: writes a bundle that anyone can check without rag."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import FILE, read_json, shared, show
from rag.errors import NotFoundError
from rag.render.status import clean, plural
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.desk.bundle import Bundle


@click.command("export")
@click.argument("source")
@click.option("--bundle", "path", type=FILE, required=True, help="The ZIP file to write.")
@click.option(
    "--sign",
    "key",
    type=FILE,
    help="Sign the bundle's list of digests with this private key of SSH.",
)
@shared
def export_command(settings: Settings, source: str, path: Path, key: Path | None) -> None:
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
            written = bundle.write_answer(store, read_json(source), path, key)
        elif source in store.grids():
            written = bundle.write_grid(store, grids.load(store, source), path, key)
        else:
            hint = "list the grids with: rag grid list; or write: rag ask --json … > answer.json"
            raise NotFoundError(f"{source!r} is neither a file nor a grid", hint)
    show(written, _lines(written))


def _lines(written: Bundle) -> list[str]:
    counts = [
        plural(getattr(written, f"{noun}s"), noun) for noun in ("answer", "quote", "document")
    ]
    return [
        f"{written.path}: {', '.join(counts)}",
        *(f"  without the original of {clean(name)}" for name in written.left_out),
        f"digest of its SHA256SUMS, for the recipient: {written.sha256}",
    ]
