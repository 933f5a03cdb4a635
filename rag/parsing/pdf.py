"""PDF, through pypdfium2 (PDFium): the lines of each page with their type, and the drawn rules."""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from statistics import median_low
from typing import Any

import pypdfium2
from pypdfium2 import raw

from rag.parsing import pdf_outline
from rag.parsing.base import Parsed, ParseError
from rag.parsing.pdf_furniture import PdfPage
from rag.parsing.pdf_layout import Line
from rag.parsing.pdf_ruled_tables import Rules
from rag.parsing.pdf_structure import structured

_LOCK = threading.Lock()
"""PDFium is not thread-safe."""
_BOLD = 600
_WIDE = 2.0
"""Minimum gap between columns or cells, in font heights."""
_NO_TITLE = re.compile(
    r"(?i)untitled.*|microsoft \w+ - .*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|odt|rtf)|\W*"
)
_UNSEEN = dict.fromkeys([0, 1, *range(3, 9), *range(14, 32), 0xAD, 0xFFFE, 0xFFFF])
_LEADERS = re.compile(r"(?: ?\.){5,} *|(?: ?\u2026){3,} *")
"""The dots between a title and its page in a table of contents."""
_MOST_SHAPES = 20_000
_OCR_SCALE, _OCR_SIDE = 2.0, 2400
"""Resolution for OCR in pixels per point, and maximum length of a side in pixels."""
_TIGHT, _SPACE = 0.05, 0.14
"""Maximum gap between letters and minimum gap between words, in font heights."""
_TALL, _HIGHEST = 20.0, 2.0
"""Character boxes above this height in points are checked, and lowered if above this many font
sizes.
"""

_Box = tuple[float, float, float, float]
"""Left, top, right, bottom, measured from the page's top left corner."""


def parse(content: bytes, keep_furniture: bool = False) -> Parsed:
    """Text, headings, metadata and pages; `keep_furniture` keeps running heads and tables of
    contents.

    Raises ParseError if it is encrypted or not a PDF.
    """
    with _LOCK, closing(_open(content)) as document:
        metadata = _metadata(document)
        titles = pdf_outline.read(document)
        pages = [_read(document, number) for number in range(len(document))]
    return structured(pages, metadata, titles, keep_furniture)


def _open(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        raise ParseError(
            "is encrypted" if encrypted else "is not a readable PDF, or is truncated"
        ) from error


def _metadata(document: pypdfium2.PdfDocument) -> dict[str, str]:
    found = document.get_metadata_dict(skip_empty=True)
    names = {
        "Title": "title",
        "Author": "author",
        "Subject": "description",
        "Keywords": "keywords",
        "CreationDate": "date",
    }
    metadata = {names[key]: value for key, value in found.items() if key in names}
    if _NO_TITLE.fullmatch(metadata.get("title", "")):
        metadata.pop("title", None)
    buffer = (ctypes.c_ushort * 64)()
    length = raw.FPDFCatalog_GetLanguage(document, buffer, ctypes.sizeof(buffer))
    if 2 < length <= ctypes.sizeof(buffer):
        metadata["language"] = bytes(buffer)[: length - 2].decode("utf-16-le", "ignore")
    return metadata


def _read(document: pypdfium2.PdfDocument, number: int) -> PdfPage:
    """The lines in the page's main writing direction, in file order; none if the page is broken."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return PdfPage([], 1.0)
    with closing(page), closing(page.get_textpage()) as text:
        sheet = page.get_bbox()
        lines = list(_lines(text, sheet))
        if not lines and (seen := _seen(page)):
            return seen
        shapes = list(_shapes(page))
    turns = Counter[int]()
    for turn, line in lines:
        turns[turn] += len(line.text)
    usual = turns.most_common(1)[0][0] if turns else 0
    height = sheet[2] - sheet[0] if usual % 2 else sheet[3] - sheet[1]
    aside = [line for turn, line in lines if turn != usual]
    rules = Rules()
    for box, drawn in shapes:
        rules.box(*_upright(box, sheet, usual), drawn)
    return PdfPage([line for turn, line in lines if turn == usual], height, aside, rules.merged())


def _seen(page: pypdfium2.PdfPage) -> PdfPage | None:
    """Text recognised in a scanned page; None if the page has no image or the extra `ocr` is
    missing.
    """
    objects = range(min(raw.FPDFPage_CountObjects(page.raw), _MOST_SHAPES))
    kinds = {raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page.raw, at)) for at in objects}
    if not kinds & {raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM}:
        return None
    try:
        from rag.parsing import ocr
    except ModuleNotFoundError:
        return None
    scale = min(_OCR_SCALE, _OCR_SIDE / max(page.get_size()))
    with closing(page.render(scale=scale)) as bitmap:
        picture = bitmap.to_pil()
    return PdfPage(ocr.lines(picture), picture.height)


def _shapes(page: pypdfium2.PdfPage) -> Iterator[tuple[raw.FS_RECTF, bool]]:
    """The bounds of each shape on a page, and whether it is an outlined box."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    for at in range(min(raw.FPDFPage_CountObjects(page.raw), _MOST_SHAPES)):
        shape = raw.FPDFPage_GetObject(page.raw, at)
        if raw.FPDFPageObj_GetType(shape) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if raw.FPDFPageObj_GetBounds(shape, left, bottom, right, top):
            raw.FPDFPath_GetDrawMode(shape, fill, stroke)
            is_box = 4 <= raw.FPDFPath_CountSegments(shape) <= 6
            box = raw.FS_RECTF(left.value, top.value, right.value, bottom.value)
            yield box, bool(stroke.value) and is_box


def _lines(text: pypdfium2.PdfTextPage, sheet: _Box) -> Iterator[tuple[int, Line]]:
    """PDFium's lines, split at gaps too wide for a space, each with its rotation in quarter turns.

    PDFium adds the spaces and line ends that the file lacks.
    """
    box, run, page = raw.FS_RECTF(), _Run(text), text.raw
    for at in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(page, at)
        if code in (10, 13):
            yield from run.end()
        elif code == 32 or not raw.FPDFText_GetLooseCharBox(page, at, box):
            run.characters.append(chr(code))
        else:
            if box.top - box.bottom > _TALL:
                _lower(page, at, box)
            here = _upright(box, sheet, run.turn)
            if run.is_apart(here):
                yield from run.end()
            if run.is_empty():
                run.turn = round(raw.FPDFText_GetCharAngle(page, at) / (math.pi / 2)) % 4
                here = _upright(box, sheet, run.turn)
            run.put(chr(code), at, here)
    yield from run.end()


def _lower(page: raw.FPDF_TEXTPAGE, at: int, box: raw.FS_RECTF) -> None:
    """Limit a character's box to its font size; fonts such as Cambria Math state a line several
    times as high.
    """
    matrix, x, y = raw.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetMatrix(page, at, matrix)
    size = raw.FPDFText_GetFontSize(page, at) * abs(matrix.d)
    if 0 < _HIGHEST * size < box.top - box.bottom:
        raw.FPDFText_GetCharOrigin(page, at, x, y)
        box.top, box.bottom = y.value + 0.95 * size, y.value - 0.25 * size


def _upright(box: Any, sheet: _Box, turn: int) -> _Box:
    """Left, top, right, bottom after turning the page so that the text is upright."""
    west, south, east, north = sheet
    if turn == 0:
        return box.left - west, north - box.top, box.right - west, north - box.bottom
    if turn == 3:  # read upwards
        return box.bottom - south, box.left - west, box.top - south, box.right - west
    if turn == 1:
        return north - box.top, east - box.right, north - box.bottom, east - box.left
    return east - box.right, box.bottom - south, east - box.left, box.top - south


class _Run:
    """Collects the characters of a line."""

    def __init__(self, page: pypdfium2.PdfTextPage) -> None:
        self._page = page
        self.turn = 0
        self.characters: list[str] = []
        self._at: list[int] = []
        self._boxes: list[_Box] = []
        self._starts: list[int] = []
        """index of each word's first box"""
        self._gap = 0.0
        """gap before the last character; at the start of a word, the height of its box"""

    def is_empty(self) -> bool:
        return not self._boxes

    def is_apart(self, box: _Box) -> bool:
        """Whether a character at `box` is on another line or beyond a wide gap."""
        if not self._boxes:
            return False
        first, last = self._boxes[0], self._boxes[-1]
        height = last[3] - last[1]
        below = abs(box[1] + box[3] - last[1] - last[3]) > 1.3 * height
        return below or box[0] - last[2] > _WIDE * height or box[2] < first[0] - height

    def put(self, character: str, at: int, box: _Box) -> None:
        if self._lacks_space(character, box):
            self.characters.append(" ")
        if not self._boxes or self.characters[-1].isspace():
            self._starts.append(len(self._boxes))
            self._gap = box[3] - box[1]
        else:
            self._gap = box[0] - self._boxes[-1][2]
        self.characters.append(character)
        self._at.append(at)
        self._boxes.append(box)

    def _lacks_space(self, character: str, box: _Box) -> bool:
        """Whether a word gap without a space precedes the character; letter-spaced type has
        none.
        """
        if not self._boxes or not (self.characters[-1].isalnum() and character.isalnum()):
            return False
        height = box[3] - box[1]
        return self._gap < _TIGHT * height and box[0] - self._boxes[-1][2] > _SPACE * height

    def end(self) -> Iterator[tuple[int, Line]]:
        text = "".join(self.characters).translate(_UNSEEN).strip()
        text = text[:-1].replace("\x02", "") + text[-1:].replace("\x02", "-")
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self._boxes and text.strip():
            yield self.turn, self._line(" ".join(text.split()))
        self.characters, self._at, self._boxes, self._starts = [], [], [], []

    def _line(self, text: str) -> Line:
        lefts, tops, rights, bottoms = zip(*self._boxes, strict=True)
        size = median_low([bottom - top for top, bottom in zip(tops, bottoms, strict=True)])
        bold = all(_is_bold(self._page, at) for at in (self._at[0], self._at[-1]))
        top, bottom, words = median_low(tops), median_low(bottoms), tuple(self._words(text))
        shown = _LEADERS.sub(" | ", text)
        return Line(min(lefts), top, max(rights), bottom, shown, size, bold, words)

    def _words(self, text: str) -> Iterator[tuple[str, float, float]]:
        """The words with their left and right edges, without leaders; none if the boxes do not
        match the text.
        """
        words, ends = text.split(), [*self._starts[1:], len(self._boxes)]
        if len(words) == len(ends):
            for word, start, end in zip(words, self._starts, ends, strict=True):
                if word.strip(".\u2026"):
                    yield word, self._boxes[start][0], self._boxes[end - 1][2]


def _is_bold(page: pypdfium2.PdfTextPage, at: int) -> bool:
    """Whether the character is bold, by the font's weight or else its name."""
    if raw.FPDFText_GetFontWeight(page, at) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(page, at, name, len(name), None)
    return any(word in name.value.lower() for word in (b"bold", b"black", b"heavy"))
