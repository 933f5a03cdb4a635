"""Text recognition in images, through RapidOCR (extra `ocr`).

Its wheel includes the PP-OCR models, 30 MB; nothing is downloaded. A page takes three to six
seconds on one core. Lines are detected in any script, and read in Chinese, English and other
languages with Latin letters.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from statistics import median
from typing import Any

from rapidocr import RapidOCR

from rag.parsing.base import on_scan
from rag.parsing.pdf.marks import Line, PdfPage

_SIDE = 2400
"""Maximum length of the longer side in pixels; larger images are scaled down, since letters become
no clearer."""
_SURE = 0.5
"""Text with less confidence is a guess at a drawing."""
_ALIKE = 1.3
"""Lines whose heights differ by less have one font size, since a box is as high as its letters."""


def recognised_page(picture: Any, number: int, pages: int) -> PdfPage:
    """The page `number` of `pages`, a Pillow image, announced as `on_scan` says."""
    follow = on_scan.get()
    follow(number, pages, False)
    page = PdfPage(lines(picture), picture.height)
    if page.lines:
        follow(number, pages, True)
    return page


def lines(picture: Any) -> list[Line]:
    """The lines of text in a Pillow image; places in pixels from its left and top."""
    boxes = list(_found(_small(picture)))
    if not boxes:
        return []
    scale = max(1.0, max(picture.size) / _SIDE)
    usual = median(bottom - top for _, _, top, _, bottom in boxes)
    return [
        Line(
            scale * left,
            scale * top,
            scale * right,
            scale * bottom,
            text,
            scale * _size(bottom - top, usual),
        )
        for text, left, top, right, bottom in boxes
    ]


def _small(picture: Any) -> Any:
    picture = picture.convert("RGB")
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def _size(height: float, usual: float) -> float:
    share = height / usual
    return usual if share < _ALIKE else usual * round(2 * share) / 2


def _found(picture: Any) -> Iterator[tuple[str, float, float, float, float]]:
    read = _reader()(picture)
    if read.boxes is None:
        return
    for corners, text, sure in zip(read.boxes, read.txts, read.scores, strict=True):
        if sure >= _SURE and text.strip():
            xs, ys = zip(*((float(x), float(y)) for x, y in corners), strict=True)
            yield text.strip(), min(xs), min(ys), max(xs), max(ys)


@functools.cache
def _reader() -> Any:
    one_thread = {
        f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")
    }
    return RapidOCR(params={"Global.log_level": "error", **one_thread})
