"""Minimal PDFs for tests, with text and lines at given places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Put:
    """`text` whose baseline starts at (x, y) points from the lower left corner."""

    x: float
    y: float
    text: str
    size: float = 10
    bold: bool = False


@dataclass(frozen=True)
class DrawnLine:
    """A drawn line, in points from the lower left corner."""

    x: float
    y: float
    to_x: float
    to_y: float


Bookmark = tuple[int, str, int]
"""Depth from 0, title, page from 1."""


def pdf(
    pages: Sequence[Sequence[Put | DrawnLine]],
    outline: Sequence[Bookmark] = (),
    **information: str,
) -> bytes:
    """A PDF of A4 pages in Helvetica; `information` as in Title="…"."""
    objects = ["<< /Type /Catalog /Pages 2 0 R /Lang (en-GB) >>", ""]
    objects += [
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica{kind} >>" for kind in ("", "-Bold")
    ]
    kids = []
    for page in pages:
        drawn = " ".join(map(_drawn, page))
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
        fonts = "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {fonts} /Contents "
            f"{len(objects)} 0 R >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    if outline:
        root = len(objects) + 1
        objects[0] = objects[0].replace(" >>", f" /Outlines {root} 0 R >>")
        objects += [f"<< /Type /Outlines {_children(-1, outline, root)} >>"]
        objects += [_bookmark(number, outline, root, kids) for number in range(len(outline))]
    objects.append(
        "<< "
        + " ".join(f"/{key} ({_escaped(value)})" for key, value in information.items())
        + " >>"
    )
    return _file(objects)


def _drawn(put: Put | DrawnLine) -> str:
    if isinstance(put, DrawnLine):
        return f"{put.x} {put.y} m {put.to_x} {put.to_y} l S"
    return (
        f"BT /F{2 if put.bold else 1} {put.size} Tf {put.x} {put.y} Td ({_escaped(put.text)}) Tj ET"
    )


def ruled(
    edges: Sequence[float], heights: Sequence[float], rows: Sequence[Sequence[tuple[int, str]]]
) -> list[Put | DrawnLine]:
    """A table with a line around each cell. `heights` are the row borders from the top; a cell is
    its number of columns and its lines.
    """
    drawn: list[Put | DrawnLine] = [DrawnLine(edges[0], y, edges[-1], y) for y in heights]
    for top, bottom, row in zip(heights[:-1], heights[1:], rows, strict=True):
        at = 0
        for columns, text in row:
            drawn.append(DrawnLine(edges[at], top, edges[at], bottom))
            puts = column(text.split("\n") if text else [], edges[at] + 3, top - 9, 8)
            drawn += puts
            at += columns
        drawn.append(DrawnLine(edges[-1], top, edges[-1], bottom))
    return drawn


def _bookmark(number: int, outline: Sequence[Bookmark], root: int, kids: Sequence[str]) -> str:
    depth, title, page = outline[number]
    parent = next((n for n in range(number, -1, -1) if outline[n][0] < depth), -1)
    siblings = _below(parent, outline)
    place = siblings.index(number)
    following = f"/Next {root + 1 + siblings[place + 1]} 0 R" if place + 1 < len(siblings) else ""
    target = f"/Dest [{kids[page - 1]} /XYZ 0 800 0]" if page else ""
    below = _children(number, outline, root)
    return (
        f"<< /Title ({_escaped(title)}) /Parent {root + 1 + parent} 0 R {following} {target} "
        f"{below} >>"
    )


def _children(parent: int, outline: Sequence[Bookmark], root: int) -> str:
    below = _below(parent, outline)
    return (
        f"/First {root + 1 + below[0]} 0 R /Last {root + 1 + below[-1]} 0 R /Count {len(below)}"
        if below
        else ""
    )


def _below(parent: int, outline: Sequence[Bookmark]) -> list[int]:
    """The children of a bookmark; -1 for the top level."""
    depth = outline[parent][0] if parent >= 0 else -1
    end = next((n for n in range(parent + 1, len(outline)) if outline[n][0] <= depth), len(outline))
    return [n for n in range(parent + 1, end) if outline[n][0] == depth + 1]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _file(objects: Sequence[str]) -> bytes:
    made, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = (
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R "
        f">>\nstartxref\n{len(made)}\n%%EOF\n"
    )
    return made + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def column(lines: Sequence[str], x: float, y: float = 700, size: float = 10) -> list[Put]:
    """Lines below each other."""
    return [Put(x, y - number * 1.2 * size, line, size) for number, line in enumerate(lines)]
