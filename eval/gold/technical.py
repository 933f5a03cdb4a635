"""Makes the corpus of the questions in technical.jsonl from three Debian packages.

    apt-get download sqlite3-doc apache2-doc python3.13-doc
    python -m eval.gold.technical FOLDER sqlite3-doc_*.deb apache2-doc_*.deb python3.13-doc_*.deb
    rag eval run eval/gold/technical.jsonl --corpus FOLDER

FOLDER gets sqlite/, apache/ and python/ with about a hundred chosen, unmodified pages of the
packages (Debian 13). The project itself contains only the questions and the sentences that answer
them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# By folder in the corpus: the package's folder, and the chosen pages (without ".html").
PAGES = {
    "sqlite": (
        "usr/share/doc/sqlite3",
        "about appfileformat autoinc backup cli csv datatype3 faq fasterthanfs foreignkeys gencol "
        "howtocorrupt inmemorydb intern-v-extern-blob isolation lang_datefunc lang_transaction "
        "lang_upsert lang_vacuum limits mmap nulls pragma quickstart quirks recovery rescode "
        "security serverless stricttables tempfiles threadsafe undoredo uri wal whentouse "
        "whynotgit withoutrowid zeroconf",
    ),
    "apache": (
        "usr/share/doc/apache2-doc/manual/en",
        "configuring custom-error dns-caveats getting-started glossary logs sections server-wide "
        "stopping suexec urlmapping howto/access howto/auth howto/cgi howto/htaccess howto/http2 "
        "howto/public_html howto/reverse_proxy howto/ssi misc/password_encryptions "
        "misc/perf-tuning misc/security_tips mod/mod_deflate mod/mod_dir mod/mod_expires "
        "mod/mod_status mod/mod_userdir programs/ab programs/apachectl programs/htcacheclean "
        "programs/htpasswd programs/rotatelogs rewrite/avoid rewrite/flags rewrite/intro "
        "ssl/ssl_faq ssl/ssl_howto vhosts/examples vhosts/fd-limits vhosts/ip-based "
        "vhosts/name-based",
    ),
    "python": (
        "usr/share/doc/python3.13/html",
        "faq/design faq/general faq/gui faq/library faq/windows howto/sockets howto/sorting "
        "howto/unicode howto/urllib2 library/base64 library/bisect library/configparser "
        "library/filecmp library/fnmatch library/getpass library/glob library/graphlib "
        "library/heapq library/json library/queue library/sched library/secrets "
        "library/statistics library/tempfile library/textwrap library/timeit library/tomllib "
        "library/uuid library/venv library/zipapp tutorial/appetite tutorial/controlflow "
        "tutorial/datastructures tutorial/errors tutorial/floatingpoint tutorial/inputoutput "
        "tutorial/interpreter tutorial/modules tutorial/stdlib tutorial/venv",
    ),
}


def collect(root: Path, folder: Path) -> int:
    """Copy the chosen pages of the unpacked packages in `root` to `folder`. Returns their
    number.
    """
    copied = 0
    for name, (place, pages) in PAGES.items():
        for page in pages.split():
            source = root / place / f"{page}.html"
            if not source.is_file():
                raise SystemExit(
                    f"{source.relative_to(root)} is missing; give all three packages, as Debian "
                    f"13 has them"
                )
            target = folder / name / f"{page}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            copied += 1
    return copied


def unpack(package: Path, folder: Path) -> None:
    """Unpack a Debian package into the folder. Exits with a message if it is not one."""
    command = ["dpkg-deb", "--extract", str(package), str(folder)]
    unpacked = subprocess.run(command, capture_output=True, text=True)
    if unpacked.returncode:
        raise SystemExit(f"{package} cannot be unpacked: {unpacked.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the folder that technical.jsonl is asked on."
    )
    parser.add_argument("folder", type=Path, help="made if it does not exist")
    parser.add_argument(
        "packages", nargs="+", type=Path, help="the .deb files of the three packages"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        for package in options.packages:
            unpack(package, Path(root))
        print(
            f"{collect(Path(root), options.folder)} pages copied to {options.folder}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
