"""Minimal PDFs for tests, with text and lines at given places."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Put:
    """`text` whose baseline starts at (x, y) points from the lower left corner."""

    x: float
    y: float
    text: str
    size: float = 10
    bold: bool = False
    font: str = "Helvetica"


@dataclass(frozen=True)
class Shade:
    """A grey area, in points from the lower left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class DrawnLine:
    """A drawn line, in points from the lower left corner."""

    x: float
    y: float
    to_x: float
    to_y: float


_FONTS = ("Helvetica", "Helvetica-Bold", "Courier", "Courier-Bold")
Bookmark = tuple[int, str, int]
"""Depth from 0, title, page from 1."""


def pdf(
    pages: Sequence[Sequence[Put | DrawnLine | Shade]],
    outline: Sequence[Bookmark] = (),
    **information: str,
) -> bytes:
    """A PDF of A4 pages; `information` as in Title="…"."""
    objects = ["<< /Type /Catalog /Pages 2 0 R /Lang (en-GB) >>", ""]
    objects += [f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} >>" for font in _FONTS]
    kids = []
    for page in pages:
        drawn = " ".join(map(_drawn, page))
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
        names = " ".join(f"/F{n} {n + 2} 0 R" for n, _ in enumerate(_FONTS, 1))
        fonts = f"/Resources << /Font << {names} >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {fonts} /Contents "
            f"{len(objects)} 0 R >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    if outline:
        root = len(objects) + 1
        objects[0] = objects[0].replace(" >>", f" /Outlines {root} 0 R >>")
        objects += [f"<< /Type /Outlines /First {root + 1} 0 R >>"]
        objects += [_bookmark(number, outline, root, kids) for number in range(len(outline))]
    entries = " ".join(f"/{key} ({_escaped(value)})" for key, value in information.items())
    objects.append(f"<< {entries} >>")
    return file_of([text.encode("cp1252") for text in objects], f"/Info {len(objects)} 0 R")


def _drawn(put: Put | DrawnLine | Shade) -> str:
    if isinstance(put, DrawnLine):
        return f"{put.x} {put.y} m {put.to_x} {put.to_y} l S"
    if isinstance(put, Shade):
        return f"q .8 g {put.x} {put.y} {put.width} {put.height} re f Q"
    font = 1 + _FONTS.index(put.font + ("-Bold" if put.bold else ""))
    return f"BT /F{font} {put.size} Tf {put.x} {put.y} Td ({_escaped(put.text)}) Tj ET"


def typewritten(picture: str, y: float = 780, size: float = 8) -> list[Put | DrawnLine | Shade]:
    """A picture of a page in typewriter type: words at their places, "*bold*" words, "----" and "|"
    as drawn lines. Lines with "|" are rows of a ruled table. A line that begins with "^" is close
    to the line above, and in one row with it.
    """
    drawn: list[Put | DrawnLine | Shade] = []
    width = 0.6 * size
    for previous_line, line in pairwise(["", *picture.strip("\n").splitlines(), ""]):
        bars = [
            40 + width * n
            for n, c in enumerate(line.lstrip("^") or previous_line.lstrip("^"))
            if c == "|"
        ]
        if bars and not (line.startswith("^") or _is_rule(line) or _is_rule(previous_line)):
            drawn.append(DrawnLine(bars[0], y, bars[-1], y))
        height = (0.5 if _is_rule(line) else 0.85 if line.startswith("^") else 1.6) * size
        y -= height
        drawn += [DrawnLine(x, y, x, y + height) for x in bars if "|" in line]
        for match in re.finditer(r"-{4,}|[^\s|]+(?: [^\s|]+)*", line.lstrip("^")):
            text, x = match.group(), 40 + width * match.start()
            bold = len(text) > 2 and text[0] == text[-1] == "*"
            drawn.append(
                DrawnLine(x - width, y, x + width * len(text), y)
                if _is_rule(line)
                else Put(x + bold * width, y + 0.3 * size, text.strip("*"), size, bold, "Courier")
            )
    return drawn


def _is_rule(line: str) -> bool:
    return "----" in line and not line.strip("^ -|")


def _bookmark(number: int, outline: Sequence[Bookmark], root: int, kids: Sequence[str]) -> str:
    """A bookmark with links to its first child and the next beside it, after object `root`."""
    depth, title, page = outline[number]
    later = range(number + 1, len(outline))
    links = f"/Dest [{kids[page - 1]} /XYZ 0 800 0]" if page else ""
    if later and outline[later[0]][0] > depth:
        links += f" /First {root + 1 + later[0]} 0 R"
    following = next((n for n in later if outline[n][0] <= depth), None)
    if following is not None and outline[following][0] == depth:
        links += f" /Next {root + 1 + following} 0 R"
    return f"<< /Title ({_escaped(title)}) {links} >>"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def file_of(objects: Sequence[bytes], trailer: str = "") -> bytes:
    """A file of these objects, the catalogue first; PDFium needs no table of their places."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + f"trailer << /Root 1 0 R {trailer} >>\n".encode()


def column(lines: Sequence[str], x: float, y: float = 700, size: float = 10) -> list[Put]:
    """Lines below each other."""
    return [Put(x, y - number * 1.2 * size, line, size) for number, line in enumerate(lines)]


def slow_to_draw() -> bytes:
    """A PDF of one page that is covered twenty thousand times."""
    words = b"BT /F1 12 Tf 72 700 Td (Sardines swim.) Tj ET "
    drawn = words + b"0 0 595 842 re f\n" * 20_000
    return file_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )
