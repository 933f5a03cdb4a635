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
from rag.parsing.pdf.layout import structured_text
from rag.parsing.pdf.marks import Box, Line, PdfPage

_MOST_PIXELS = 80_000_000
_MOST_PAGES = 200
_SIDE = 2400
"""Pixels of the longer side to which images are scaled down; more make letters no clearer."""
_LEAST_SCORE = 0.5
"""Text with less confidence is a guess at a drawing."""
_SAME_SIZE = 1.3
"""Lines whose heights differ by less have one font size, since a box is as high as its letters."""


def parse(content: bytes) -> Parsed:
    """The text in an image, a page for each of its pictures. Raises ParseError if it is broken."""
    try:
        with Image.open(BytesIO(content)) as image:
            return structured_text(list(_pages(image)), {})
    except UnidentifiedImageError as error:
        raise ParseError("is not a readable image, or is truncated") from error


def _pages(image: Image.Image) -> Iterator[PdfPage]:
    """The pages of an image. Raises ParseError if it has too many, or one is too large."""
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

    longer_side = max(picture.size)
    scale = max(1.0, longer_side / _SIDE)
    usual_height = median(_height(box) for _, box in boxes)
    found: list[Line] = []
    for text, box in boxes:
        left, top, right, bottom = box
        line = Line(
            left=scale * left,
            top=scale * top,
            right=scale * right,
            bottom=scale * bottom,
            text=text,
            size=scale * _size(_height(box), usual_height),
        )
        found.append(line)
    return found


def _height(box: Box) -> float:
    _, top, _, bottom = box
    return bottom - top


def _size(height: float, usual_height: float) -> float:
    """The size of a line's font: the usual height, or a multiple of half of it."""
    share = height / usual_height
    if share < _SAME_SIZE:
        return usual_height
    return usual_height * round(2 * share) / 2


def _boxes(picture: Any) -> Iterator[tuple[str, Box]]:
    """The texts of a picture, each with the box around its corners."""
    read = _reader()(picture)
    if read.boxes is None:
        return
    for corners, text, score in zip(read.boxes, read.txts, read.scores, strict=True):
        if score < _LEAST_SCORE or not text.strip():
            continue
        xs = [float(x) for x, _ in corners]
        ys = [float(y) for _, y in corners]
        box = (min(xs), min(ys), max(xs), max(ys))
        yield text.strip(), box


@functools.cache
def _reader() -> Any:
    """The models, which are loaded once."""
    parameters = {
        "Global.log_level": "error",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return RapidOCR(params=parameters)
