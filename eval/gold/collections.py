"""Folders of other people's documents that the questions in collections/ and in technical.jsonl are
asked on.

    python -m eval.gold.collections FOLDER DATA *.deb
    python -m eval.experiments.kept --cache DIR --collections FOLDER restic

FOLDER gets one folder per collection, as links into DATA, which has collections/ and pdf/. Four
sets are copied from packages of Debian 13: debian from linux-doc-6.12 and vim-runtime, manuals from
bash-doc, borgbackup-doc, buildbot-doc, charliecloud-doc, exim4-doc-html, fail2ban, gammu-doc,
gimp-help-en, gnuplot-doc, installation-guide-amd64, knot-doc, libreoffice-help-en-us, libvirt-doc,
mosquitto, mpd, mutt, nano, postfix-doc, privoxy, python-django-doc, python-flask-doc,
shorewall-doc, sphinx-doc, taskwarrior, tmux, weechat-doc and wireshark-doc, prose from anarchism,
crawl-common, debian-history, doc-debian, gnugo, miscfiles, nethack-common, pysolfc, tuxpaint-data
and xboard, technical from sqlite3-doc, apache2-doc and python3.13-doc. Sets whose packages or DATA
are not given are left out. Documents are checked against their digests in
collections/documents.json. The project itself contains only the questions and the sentences that
answer them.
"""

import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from eval.scripts import GOLD, PATH, script

DIGESTS = GOLD / "collections/documents.json"
_PLACES = {
    "debian/vim": "usr/share/vim/vim91/doc",
    "debian/linux": "usr/share/doc/linux-doc-6.12/Documentation",
    "manuals/borgbackup": "usr/share/doc/borgbackup/html",
    "manuals/buildbot": "usr/share/doc/buildbot/html/_sources/manual",
    "manuals/charliecloud": "usr/share/doc/charliecloud/html/_sources",
    "manuals/django": "usr/share/doc/python-django-doc/html",
    "manuals/exim": "usr/share/doc/exim4-doc-html/spec_html",
    "manuals/flask": "usr/share/doc/python-flask-doc/html",
    "manuals/gammu": "usr/share/doc/gammu/html",
    "manuals/gimp": "usr/share/gimp/3.0/help/en",
    "manuals/installation-guide": "usr/share/doc/installation-guide-amd64/en",
    "manuals/knot": "usr/share/doc/knot-doc/_sources",
    "manuals/libreoffice": "usr/share/libreoffice/help/en-US/text",
    "manuals/libvirt": "usr/share/doc/libvirt-doc/html",
    "manuals/mpd": "usr/share/doc/mpd/html",
    "manuals/shorewall": "usr/share/doc/shorewall-doc/html",
    "manuals/sphinx": "usr/share/doc/sphinx-doc/html",
    "manuals/weechat": "usr/share/doc/weechat-doc/html",
    "manuals/wireshark": "usr/share/doc/wireshark/wsug_html_chunked",
    "prose/anarchism": "usr/share/doc/anarchism/html",
    "prose/crawl": "usr/share/crawl/dat",
    "prose/debian-history": "usr/share/doc/debian-history",
    "prose/doc-debian": "usr/share/doc/debian",
    "prose/gnugo": "usr/share/doc/gnugo/html",
    "prose/miscfiles": "usr/share/misc",
    "prose/nethack": "usr/share/doc/nethack-common",
    "prose/pysolfc": "usr/share/games/pysolfc/html",
    "prose/state": "usr/share/state",
    "prose/tuxpaint": "usr/share/doc/tuxpaint-data",
    "prose/xboard": "usr/share/doc/xboard",
    "technical/apache": "usr/share/doc/apache2-doc/manual/en",
    "technical/python": "usr/share/doc/python3.13/html",
    "technical/sqlite": "usr/share/doc/sqlite3",
}
"""Folders in the packages, by the beginning of the ids of their documents."""
for _name in "bash fail2ban gnuplot mosquitto mutt nano postfix privoxy taskwarrior tmux".split():
    _PLACES[f"manuals/{_name}"] = f"usr/share/doc/{_name}"


def digests() -> dict[str, str]:
    """The sha256 of each document, by id."""
    by_id: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return by_id


def unpack(package: Path, folder: Path) -> None:
    """Unpack a Debian package into the folder. Exits with a message if it is not one."""
    command = ["dpkg-deb", "--extract", str(package), str(folder)]
    unpacked = subprocess.run(command, capture_output=True, text=True)
    if unpacked.returncode:
        raise SystemExit(f"{package} cannot be unpacked: {unpacked.stderr.strip()}")


def link(folder: Path, data: Path) -> None:
    """Link the collections of `data` into `folder`."""
    sources = [*sorted((data / "collections").iterdir()), data / "pdf"]
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target = folder / source.name
        if source.is_dir() and not target.exists():
            target.symlink_to(source.resolve(), target_is_directory=True)


def copy_packaged(root: Path, folder: Path) -> None:
    """Copy Debian's documents out of the unpacked packages in `root`, as far as they are there."""
    for name in digests():
        beginning = next(
            (package_prefix for package_prefix in _PLACES if name.startswith(f"{package_prefix}/")),
            None,
        )
        if beginning is None or not (root / _PLACES[beginning]).is_dir():
            continue
        place = root / _PLACES[beginning]
        file = name.removeprefix(f"{beginning}/")
        sources = [place / file, *sorted([*place.rglob(file), *place.rglob(f"{file}.gz")])]
        source = next((source for source in sources if source.is_file()), None)
        if source is None:  # an update of the package has dropped it; `changed` names it
            continue
        content = source.read_bytes()
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(content) if source.suffix == ".gz" else content)


def changed_documents(folder: Path) -> list[str]:
    """The documents that are missing in `folder`, or differ from those that were asked about."""
    return [
        name
        for name, digest in digests().items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


@script(__doc__)
@click.argument("folder", type=PATH)
@click.argument("sources", type=PATH, nargs=-1, required=True)
def main(folder: Path, sources: tuple[Path, ...]) -> None:
    with tempfile.TemporaryDirectory() as root:
        for source in sources:
            link(folder, source) if source.is_dir() else unpack(source, Path(root))
        copy_packaged(Path(root), folder)
    differing = changed_documents(folder)
    print(f"{len(digests()) - len(differing)} of {len(digests())} documents are as asked about")
    for name in differing[:5]:
        print(f"missing or changed: {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
