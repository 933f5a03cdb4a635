"""Text recognition in images (PNG, JPEG, TIFF) and scans, through RapidOCR (extra `ocr`).

Its wheel includes the PP-OCR models, 30 MB; nothing is downloaded. A page takes three to six
seconds on one core. Lines are detected in any script, and read in Chinese, English and other
languages with Latin letters.
"""

import functools
from collections.abc import Iterator
from io import BytesIO
from statistics import median
from typing import Any

from PIL import Image, ImageSequence, UnidentifiedImageError
from rapidocr import RapidOCR

from rag.parsing.base import Parsed, ParseError, on_scan
from rag.parsing.pdf.layout import structured
from rag.parsing.pdf.marks import Box, Line, PdfPage

_MOST_PIXELS = 80_000_000
_MOST_PAGES = 200
_SIDE = 2400
"""Pixels of the longer side to which images are scaled down; more make letters no clearer."""
_SURE = 0.5
"""Text with less confidence is a guess at a drawing."""
_ALIKE = 1.3
"""Lines whose heights differ by less have one font size, since a box is as high as its letters."""


def parse(content: bytes) -> Parsed:
    """The text in an image, a page for each of its pictures. Raises ParseError if it is broken."""
    try:
        with Image.open(BytesIO(content)) as image:
            return structured(list(_pages(image)), {})
    except UnidentifiedImageError as error:
        raise ParseError("is not a readable image, or is truncated") from error


def _pages(image: Image.Image) -> Iterator[PdfPage]:
    pages = getattr(image, "n_frames", 1)
    for number, picture in enumerate(ImageSequence.Iterator(image), 1):
        if picture.width * picture.height > _MOST_PIXELS or number > _MOST_PAGES:
            raise ParseError(f"has more than {_MOST_PIXELS:,} pixels or {_MOST_PAGES} pictures")
        yield recognised_page(picture, number, pages)


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
    scaled = picture.convert("RGB")
    scaled.thumbnail((_SIDE, _SIDE))
    boxes = list(_boxes(scaled))
    if not boxes:
        return []
    scale = max(1.0, max(picture.size) / _SIDE)
    heights = [bottom - top for _, (_, top, _, bottom) in boxes]
    usual = median(heights)
    shares = [height / usual for height in heights]
    sizes = [scale * (usual if n < _ALIKE else usual * round(2 * n) / 2) for n in shares]
    return [
        Line(scale * left, scale * top, scale * right, scale * bottom, text, size)
        for (text, (left, top, right, bottom)), size in zip(boxes, sizes, strict=True)
    ]


def _boxes(picture: Any) -> Iterator[tuple[str, Box]]:
    read = _reader()(picture)
    if read.boxes is None:
        return
    for corners, text, score in zip(read.boxes, read.txts, read.scores, strict=True):
        if score >= _SURE and text.strip():
            xs, ys = zip(*((float(x), float(y)) for x, y in corners), strict=True)
            yield text.strip(), (min(xs), min(ys), max(xs), max(ys))


@functools.cache
def _reader() -> Any:
    one_thread = {
        f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")
    }
    return RapidOCR(params={"Global.log_level": "error", **one_thread})
