"""Office files that LibreOffice wrote, from Markdown: DOCX (also by way of ODT), PPTX, XLSX, PDF and EPUB.

    python -m eval.office OUT

Needs `soffice` (Debian: libreoffice-writer-nogui, -calc-nogui, -impress-nogui).
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

_SEEDS = Path(__file__).parent.parent / "seeds"
_FODP = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
 office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.presentation">
<office:body><office:presentation>{slides}</office:presentation></office:body></office:document>"""
_SLIDE = """<draw:page draw:name="{number}" draw:master-page-name="Default">
<draw:frame presentation:class="title" svg:x="2cm" svg:y="1cm" svg:width="24cm" svg:height="3cm">
<draw:text-box><text:p>{title}</text:p></draw:text-box></draw:frame>
<draw:frame presentation:class="outline" svg:x="2cm" svg:y="5cm" svg:width="24cm" svg:height="14cm">
<draw:text-box><text:list>{points}</text:list></draw:text-box></draw:frame></draw:page>"""
_TO_WRITER = "--infilter=HTML (StarWriter)"


def make(out: Path) -> None:
    """The files in `out`: each of another text of `seeds/`, so that what is found in one is found in one."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _convert(_html(work, "jcpoa"), out, "docx:MS Word 2007 XML", _TO_WRITER)
        odt = _convert(_html(work, "iaea"), work, "odt:writer8", _TO_WRITER)
        _convert(odt, out, "docx:MS Word 2007 XML")
        for name in ("natanz", "hostage-crisis"):
            odt = _convert(_html(work, name), work, "odt:writer8", _TO_WRITER)
            _convert(odt, out, "pdf:writer_pdf_Export")
        odt = _convert(_html(work, "strait-of-hormuz"), work, "odt:writer8", _TO_WRITER)
        _convert(odt, out, "epub:EPUB")
        _convert(_slides(work, "stuxnet"), out, "pptx:Impress MS PowerPoint 2007 XML")
        _convert(_rows(work, "fordow"), out, "xlsx:Calc MS Excel 2007 XML")


def _convert(source: Path, out: Path, to: str, *options: str) -> Path:
    command = ["soffice", "--headless", *options, "--convert-to", to, "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    made = out / f"{source.stem}.{to.split(':')[0]}"
    if not made.exists():
        raise SystemExit(f"{source.name} was not converted to {to}")
    return made


def _source(name: str) -> str:
    """Without its front matter."""
    return (_SEEDS / f"{name}.md").read_text().split("---\n", 2)[2]


def _sections(name: str) -> list[tuple[str, list[str]]]:
    """(heading, sentences) of each section."""
    parts = re.split(r"^#+ (.*)$", _source(name), flags=re.MULTILINE)[1:]
    return [(title, re.split(r"(?<=\.)\s+(?=[A-Z])", text.strip())) for title, text in zip(parts[::2], parts[1::2], strict=True)]


def _html(work: Path, name: str) -> Path:
    path = work / f"{name}.html"
    path.write_text(f"<html><head><meta charset='utf-8'></head><body>{MarkdownIt().render(_source(name))}</body></html>")
    return path


def _slides(work: Path, name: str) -> Path:
    path = work / f"{name}.fodp"
    point = "<text:list-item><text:p>{}</text:p></text:list-item>"
    slides = [
        _SLIDE.format(number=number, title=escape(title), points="".join(point.format(escape(s)) for s in sentences))
        for number, (title, sentences) in enumerate(_sections(name), 1)
    ]
    path.write_text(_FODP.format(slides="".join(slides)))
    return path


def _rows(work: Path, name: str) -> Path:
    path = work / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Section", "Statement"])
        writer.writerows([title, sentence] for title, sentences in _sections(name) for sentence in sentences)
    return path


if __name__ == "__main__":
    make(Path(sys.argv[1]))
