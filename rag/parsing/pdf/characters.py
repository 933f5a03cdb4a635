"""Reads a PDF through pypdfium2 (PDFium): the lines of each page, and the drawn rules.

All coordinates are points from the top left corner of the page as it is displayed.
"""

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

from rag.parsing.base import ParseError
from rag.parsing.pdf.marks import CELL_BREAK, Box, Colour, Line, PdfPage, Rules, Word
from rag.parsing.pdf.outline import Outline, read_outline

_LOCK = threading.Lock()
"""PDFium is not thread-safe."""
_BOLD = 600
_WIDE = 2.0
"""Minimum gap between columns or cells, in font heights."""
_NO_TITLE = re.compile(
    r"(?i)untitled.*|microsoft \w+ - .*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|odt|rtf)|\W*"
)
_METADATA = {
    **{name.capitalize(): name for name in ("title", "author", "keywords")},
    "Subject": "description",
    "CreationDate": "date",
}
_INVISIBLE = dict.fromkeys([0, 1, *range(3, 9), *range(14, 32), 0xAD, 0xFFFE, 0xFFFF])
_LEADERS = re.compile(r"(?: ?\.){5,} *|(?: ?\u2026){3,} *")
"""The dots between a title and its page in a table of contents."""
_MAX_SHAPES = 20_000
_OCR_SCALE = 2.0
"""Resolution for OCR, in pixels per point."""
_OCR_SIDE = 2400
"""Maximum length of a side for OCR, in pixels."""
_LETTER_GAP = 0.05
"""Maximum gap between letters, in font heights."""
_WORD_GAP = 0.14
"""Minimum gap between words, in font heights."""
_TALL = 20.0
"""Height in points from which on a character's box may be too high."""
_MAX_HEIGHT = 2.0
"""Height in font sizes above which such a box is lowered."""


def read(content: bytes) -> tuple[list[PdfPage], dict[str, str], Outline]:
    """The pages, metadata and outline of a PDF. Raises ParseError if it is encrypted or no PDF."""
    with _LOCK, closing(_open(content)) as document:
        pages = [_page(document, number) for number in range(len(document))]
        return pages, _metadata(document), read_outline(document)


def _open(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        is_encrypted = "password" in str(error).lower()
        reason = "is encrypted" if is_encrypted else "is not a readable PDF, or is truncated"
        raise ParseError(reason) from error


def _metadata(document: pypdfium2.PdfDocument) -> dict[str, str]:
    fields = document.get_metadata_dict(skip_empty=True)
    metadata = {_METADATA[key]: value for key, value in fields.items() if key in _METADATA}
    if _NO_TITLE.fullmatch(metadata.get("title", "")):
        metadata.pop("title", None)
    buffer = (ctypes.c_ushort * 64)()
    length = raw.FPDFCatalog_GetLanguage(document, buffer, ctypes.sizeof(buffer))
    if 2 < length <= ctypes.sizeof(buffer):
        metadata["language"] = bytes(buffer)[: length - 2].decode("utf-16-le", "ignore")
    return metadata


def _page(document: pypdfium2.PdfDocument, number: int) -> PdfPage:
    """A page; without lines if it is broken."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return PdfPage([], 1.0)
    with closing(page), closing(page.get_textpage()) as text:
        sheet = page.get_bbox()
        lines = list(_lines(text, sheet))
        scanned = None if lines else _scanned(page, number, len(document))
        if scanned:
            return scanned
        shapes = list(_shapes(page))

    lengths = Counter[int]()
    for turn, line in lines:
        lengths[turn] += len(line.text)
    main_turn = lengths.most_common(1)[0][0] if lengths else 0
    left, bottom, right, top = sheet
    height = right - left if main_turn % 2 else top - bottom

    rules = Rules()
    for box, is_outlined, colour in shapes:
        rules.add(_upright(box, sheet, main_turn), is_outlined, colour)
    upright = [line for turn, line in lines if turn == main_turn]
    turned = [line for turn, line in lines if turn != main_turn]
    return PdfPage(upright, height, turned, rules.merged())


def _scanned(page: pypdfium2.PdfPage, number: int, count: int) -> PdfPage | None:
    """Text of a scan, page `number` from 0; None without an image or the extra `ocr`."""
    objects = range(min(raw.FPDFPage_CountObjects(page.raw), _MAX_SHAPES))
    kinds = {raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page.raw, n)) for n in objects}
    if not kinds & {raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM}:
        return None
    try:
        from rag.parsing import ocr
    except ModuleNotFoundError:
        return None
    scale = min(_OCR_SCALE, _OCR_SIDE / max(page.get_size()))
    with closing(page.render(scale=scale)) as bitmap:
        picture = bitmap.to_pil()
    return ocr.recognised_page(picture, number + 1, count)


def _shapes(page: pypdfium2.PdfPage) -> Iterator[tuple[raw.FS_RECTF, bool, Colour | None]]:
    """Each shape's bounds, whether it is an outlined box, and its colour if it is filled."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    rgba = [ctypes.c_uint() for _ in range(4)]
    for number in range(min(raw.FPDFPage_CountObjects(page.raw), _MAX_SHAPES)):
        shape = raw.FPDFPage_GetObject(page.raw, number)
        if raw.FPDFPageObj_GetType(shape) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if raw.FPDFPageObj_GetBounds(shape, left, bottom, right, top):
            raw.FPDFPath_GetDrawMode(shape, fill, stroke)
            is_box = 4 <= raw.FPDFPath_CountSegments(shape) <= 6
            is_filled = fill.value and raw.FPDFPageObj_GetFillColor(shape, *rgba)
            colour = (rgba[0].value, rgba[1].value, rgba[2].value) if is_filled else None
            box = raw.FS_RECTF(left.value, top.value, right.value, bottom.value)
            yield box, bool(stroke.value) and is_box, colour


def _lines(text: pypdfium2.PdfTextPage, sheet: Box) -> Iterator[tuple[int, Line]]:
    """PDFium's lines, split at gaps too wide for a space, each with its rotation in quarter turns.

    PDFium adds the spaces and line ends that the file lacks.
    """
    bounds, run, page = raw.FS_RECTF(), _Run(text), text.raw
    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(page, index)
        if code in (10, 13):
            yield from run.end()
        elif code == 32 or not raw.FPDFText_GetLooseCharBox(page, index, bounds):
            run.characters.append(chr(code))
        else:
            if bounds.top - bounds.bottom > _TALL:
                _lower(page, index, bounds)
            box = _upright(bounds, sheet, run.turn)
            if run.is_apart(box):
                yield from run.end()
            if not run.boxes:
                run.turn = round(raw.FPDFText_GetCharAngle(page, index) / (math.pi / 2)) % 4
                box = _upright(bounds, sheet, run.turn)
            run.put(chr(code), index, box)
    yield from run.end()


def _lower(page: raw.FPDF_TEXTPAGE, index: int, box: raw.FS_RECTF) -> None:
    """Limit a character's box to its font size; Cambria Math states several lines."""
    matrix, x, y = raw.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetMatrix(page, index, matrix)
    size = raw.FPDFText_GetFontSize(page, index) * abs(matrix.d)
    if 0 < _MAX_HEIGHT * size < box.top - box.bottom:
        raw.FPDFText_GetCharOrigin(page, index, x, y)
        box.top, box.bottom = y.value + 0.95 * size, y.value - 0.25 * size


def _upright(box: Any, sheet: Box, turn: int) -> Box:
    """The box after turning the page so that the text is upright. `box` and `sheet`, the page's
    left, bottom, right and top, count from the bottom.
    """
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
        self._clear()

    def _clear(self) -> None:
        self.characters: list[str] = []
        self.boxes: list[Box] = []
        self._indexes: list[int] = []
        self._starts: list[int] = []
        """index of each word's first box"""
        self._gap = 0.0
        """gap before the last character; at the start of a word, the height of its box"""

    def is_apart(self, box: Box) -> bool:
        """Whether a character at `box` is on another line or beyond a wide gap."""
        if not self.boxes:
            return False
        _, top, right, bottom = self.boxes[-1]
        height = bottom - top
        is_below = abs(box[1] + box[3] - top - bottom) > 1.3 * height
        return is_below or box[0] - right > _WIDE * height or box[2] < self.boxes[0][0] - height

    def put(self, character: str, index: int, box: Box) -> None:
        """Add a character, after a space if a gap is before it that is not of spaced letters."""
        left, top, _, bottom = box
        height = bottom - top
        gap = left - self.boxes[-1][2] if self.boxes else height
        is_gap = gap > _WORD_GAP * height > 0 and self._gap < _LETTER_GAP * height
        if is_gap and self.boxes and self.characters[-1].isalnum() and character.isalnum():
            self.characters.append(" ")

        if not self.boxes or self.characters[-1].isspace():
            self._starts.append(len(self.boxes))
            gap = height
        self._gap = gap
        self.characters.append(character)
        self._indexes.append(index)
        self.boxes.append(box)

    def end(self) -> Iterator[tuple[int, Line]]:
        text = "".join(self.characters).translate(_INVISIBLE).strip()
        text = text[:-1].replace("\x02", "") + text[-1:].replace("\x02", "-")
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.boxes and text.strip():
            yield self.turn, self._line(" ".join(text.split()))
        self._clear()

    def _line(self, text: str) -> Line:
        lefts, tops, rights, bottoms = zip(*self.boxes, strict=True)
        top, bottom = median_low(tops), median_low(bottoms)
        bold = _is_bold(self._page, self._indexes[0]) and _is_bold(self._page, self._indexes[-1])

        words: list[Word] = []
        texts = text.split()
        ends = [*self._starts[1:], len(self.boxes)]
        if len(texts) == len(ends):  # else the boxes do not match the text
            for word, start, end in zip(texts, self._starts, ends, strict=True):
                if word.strip(".…"):
                    left, right = self.boxes[start][0], self.boxes[end - 1][2]
                    words.append(Word(word, left, top, right, bottom, bold))

        return Line(
            left=min(lefts),
            top=top,
            right=max(rights),
            bottom=bottom,
            text=_LEADERS.sub(CELL_BREAK, text),
            size=median_low([low - high for high, low in zip(tops, bottoms, strict=True)]),
            bold=bold,
            words=tuple(words),
        )


def _is_bold(page: pypdfium2.PdfTextPage, index: int) -> bool:
    """Whether the character is bold, by the font's weight or else its name."""
    if raw.FPDFText_GetFontWeight(page, index) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(page, index, name, len(name), None)
    return any(word in name.value.lower() for word in (b"bold", b"black", b"heavy"))
