"""Makes office files from `seeds/` with LibreOffice: DOCX (also via ODT), PPTX, XLSX, PDF and EPUB.

    python -m eval.experiments.office OUT

Needs `soffice` (Debian: libreoffice-writer-nogui, -calc-nogui, -impress-nogui).
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt
from pptx import Presentation

_SEEDS = Path(__file__).parents[2] / "seeds"
_TO_WRITER = "--infilter=HTML (StarWriter)"


def make(out: Path) -> None:
    """Make the files in `out`, each from a different text, so that no text is in two files."""
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
    command = [
        "soffice",
        "--headless",
        *options,
        "--convert-to",
        to,
        "--outdir",
        str(out),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    made = out / f"{source.stem}.{to.split(':')[0]}"
    if not made.exists():
        raise SystemExit(f"{source.name} was not converted to {to}")
    return made


def _source(name: str) -> str:
    """The text without its front matter."""
    return (_SEEDS / f"{name}.md").read_text().split("---\n", 2)[2]


def _sections(name: str) -> list[tuple[str, list[str]]]:
    """(heading, sentences) of each section."""
    parts = re.split(r"^#+ (.*)$", _source(name), flags=re.MULTILINE)[1:]
    return [
        (title, re.split(r"(?<=\.)\s+(?=[A-Z])", text.strip()))
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _html(work: Path, name: str) -> Path:
    path = work / f"{name}.html"
    path.write_text(
        f"<html><head><meta "
        f"charset='utf-8'></head><body>{MarkdownIt().render(_source(name))}</body></html>"
    )
    return path


def _slides(work: Path, name: str) -> Path:
    """Slides of a title and bullet points, as ODP."""
    show = Presentation()
    for title, sentences in _sections(name):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "\n".join(sentences)
    show.save(str(work / f"{name}.pptx"))
    return _convert(work / f"{name}.pptx", work, "odp:impress8")


def _rows(work: Path, name: str) -> Path:
    path = work / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Section", "Statement"])
        writer.writerows(
            [title, sentence] for title, sentences in _sections(name) for sentence in sentences
        )
    return path


if __name__ == "__main__":
    make(Path(sys.argv[1]))
