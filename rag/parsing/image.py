"""Images of text (PNG, JPEG, TIFF); each image in a file is a page."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageSequence, UnidentifiedImageError

from rag.parsing import ocr
from rag.parsing.base import Parsed, ParseError
from rag.parsing.pdf.layout import structured
from rag.parsing.pdf.marks import PdfPage

_MOST_PIXELS = 80_000_000
_MOST_PAGES = 200


def parse(content: bytes) -> Parsed:
    """The text in the images. Raises ParseError for too many pixels."""
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
        yield ocr.recognised_page(picture, number, pages)
