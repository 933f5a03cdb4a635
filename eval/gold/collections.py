"""Folders of other people's documents that the questions in collections/ are asked on.

    python -m eval.gold.collections FOLDER DATA [linux-doc-6.12_*.deb vim-runtime_*.deb]
    python -m eval.experiments.kept --cache DIR --collections FOLDER restic

FOLDER gets one folder per collection, as links into DATA, which has collections/ and pdf/; the set
debian is copied from two packages of Debian 13. Every document is checked against its digest in
collections/documents.json. The project itself contains only the questions and the sentences that
answer them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path

from eval.gold.technical import unpack

GOLD = Path(__file__).with_name("collections")
DIGESTS = GOLD / "documents.json"
_PLACES = {
    "debian/vim": ("usr/share/vim/vim91/doc", ""),
    "debian/linux": ("usr/share/doc/linux-doc-6.12/Documentation", ".gz"),
}


def digests() -> dict[str, str]:
    """The sha256 of each document that a question names, by id."""
    found: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return found


def link(folder: Path, data: Path) -> None:
    """Link the collections of `data` into `folder`."""
    sources = [*sorted((data / "collections").iterdir()), data / "pdf"]
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target = folder / source.name
        if source.is_dir() and not target.exists():
            target.symlink_to(source.resolve(), target_is_directory=True)


def copy_debian(root: Path, folder: Path) -> None:
    """Copy the documents of the set debian out of the unpacked packages in `root`."""
    for name in digests():
        place, _, file = name.rpartition("/")
        if place not in _PLACES:
            continue
        inside, suffix = _PLACES[place]
        source = next(iter(sorted((root / inside).rglob(file + suffix))), None)
        if source is None:
            raise SystemExit(f"{file} is in no package; give linux-doc-6.12 and vim-runtime")
        content = source.read_bytes()
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(content) if suffix else content)


def changed(folder: Path) -> list[str]:
    """The documents that are missing in `folder`, or differ from those that were asked about."""
    return [
        name
        for name, digest in digests().items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the folder of the collections.")
    parser.add_argument("folder", type=Path, help="made if it does not exist")
    parser.add_argument("data", type=Path, help="has collections/ and pdf/")
    parser.add_argument("packages", nargs="*", type=Path, help="the .deb files for the set debian")
    given = parser.parse_args()
    link(given.folder, given.data)
    with tempfile.TemporaryDirectory() as root:
        for package in given.packages:
            unpack(package, Path(root))
        if given.packages:
            copy_debian(Path(root), given.folder)
    differing = changed(given.folder)
    print(f"{len(digests()) - len(differing)} of {len(digests())} documents are as asked about")
    for name in differing[:5]:
        print(f"missing or changed: {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
