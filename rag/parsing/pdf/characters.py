"""Reads a PDF through pypdfium2 (PDFium): the lines of each page, and the drawn rules.

All coordinates are points from the top left corner of the page as it is displayed.
"""

import ctypes
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from statistics import median_low
from typing import Any

import pypdfium2
from pypdfium2 import raw

from rag.parsing.base import ParseError
from rag.parsing.metadata import MADE, by_people
from rag.parsing.pdf.marks import CELL_BREAK, Box, Colour, Line, PdfPage, Rules, Word
from rag.parsing.pdf.outline import OutlineLevels, read_outline

_LOCK = threading.Lock()
"""PDFium is not thread-safe."""
_BOLD = 600
"""Minimum weight of a bold font."""
_BOLD_NAMES = (b"bold", b"black", b"heavy")
"""One of these is in the name of a bold font."""
_LINE_ENDS = (10, 13)
_SPACE = 32
"""Codes of characters."""
_WIDE = 2.0
"""Minimum gap between columns or cells, in font heights."""
_METADATA = {
    **{name.capitalize(): name for name in ("title", "author", "keywords")},
    "Subject": "description",
    "CreationDate": MADE,
}
_INVISIBLE = dict.fromkeys(
    [
        *(0, 1),
        *range(3, 9),
        *range(14, 32),
        *(0xAD, 0xFFFE, 0xFFFF),
    ]
)
"""Codes of characters that are left out; code 2 is read first."""
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


def read(content: bytes) -> tuple[list[PdfPage], dict[str, str], OutlineLevels]:
    """The pages, metadata and outline of a PDF. Raises ParseError if it is encrypted or no PDF."""
    with _LOCK, closing(_open(content)) as document:
        pages = [_page(document, number) for number in range(len(document))]
        metadata = _metadata(document)
        outline = read_outline(document)
        return pages, metadata, outline


def _open(content: bytes) -> pypdfium2.PdfDocument:
    """The document. Raises ParseError with the reason why it cannot be read."""
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        reason = "is not a readable PDF, or is truncated"
        if "password" in str(error).lower():
            reason = "is encrypted"
        raise ParseError(reason) from error


def _metadata(document: pypdfium2.PdfDocument) -> dict[str, str]:
    """The fields that a document has, by our names, and its language."""
    fields = document.get_metadata_dict(skip_empty=True)
    metadata = by_people((_METADATA[key], fields[key]) for key in fields if key in _METADATA)

    language = _language(document)
    if language is not None:
        metadata["language"] = language
    return metadata


def _language(document: pypdfium2.PdfDocument) -> str | None:
    """The language that a document names; None if it names none, or too long a one."""
    buffer = (ctypes.c_ushort * 64)()
    size = ctypes.sizeof(buffer)
    length = raw.FPDFCatalog_GetLanguage(document, buffer, size)
    if not 2 < length <= size:
        return None
    without_end = bytes(buffer)[: length - 2]
    return without_end.decode("utf-16-le", "ignore")


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

    main_turn = _main_turn(lines)
    left, bottom, right, top = sheet
    lies_on_side = main_turn % 2 == 1
    height = right - left if lies_on_side else top - bottom

    rules = Rules()
    for box, is_outlined, colour in shapes:
        rules.add(_upright(box, sheet, main_turn), is_outlined, colour)
    return PdfPage(
        lines=[line for turn, line in lines if turn == main_turn],
        height=height,
        aside=[line for turn, line in lines if turn != main_turn],
        rules=rules.merged(),
    )


def _main_turn(lines: Sequence[tuple[int, Line]]) -> int:
    """The rotation, in quarter turns, that most characters have."""
    characters = Counter[int]()
    for turn, line in lines:
        characters[turn] += len(line.text)
    if not characters:
        return 0
    ((turn, _),) = characters.most_common(1)
    return turn


def _scanned(page: pypdfium2.PdfPage, number: int, count: int) -> PdfPage | None:
    """Text of a scan, page `number` from 0; None without an image or the extra `ocr`."""
    if not _may_have_image(page):
        return None
    try:
        from rag.parsing import ocr
    except ModuleNotFoundError:
        return None

    longer_side = max(page.get_size())
    scale = min(_OCR_SCALE, _OCR_SIDE / longer_side)
    with closing(page.render(scale=scale)) as bitmap:
        picture = bitmap.to_pil()
    return ocr.recognised_page(picture, number + 1, count)


def _may_have_image(page: pypdfium2.PdfPage) -> bool:
    """Whether a page has an image, or a form, which may contain one."""
    for number in range(_count_of_objects(page)):
        kind = raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page.raw, number))
        if kind in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM):
            return True
    return False


def _count_of_objects(page: pypdfium2.PdfPage) -> int:
    """The number of a page's objects that are looked at."""
    count: int = raw.FPDFPage_CountObjects(page.raw)
    return min(count, _MAX_SHAPES)


def _shapes(page: pypdfium2.PdfPage) -> Iterator[tuple[raw.FS_RECTF, bool, Colour | None]]:
    """Each shape's bounds, whether it is an outlined box, and its colour if it is filled."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    fill = ctypes.c_int()
    stroke = ctypes.c_int()
    rgba = [ctypes.c_uint() for _ in range(4)]
    for number in range(_count_of_objects(page)):
        shape = raw.FPDFPage_GetObject(page.raw, number)
        if raw.FPDFPageObj_GetType(shape) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if not raw.FPDFPageObj_GetBounds(shape, left, bottom, right, top):
            continue

        raw.FPDFPath_GetDrawMode(shape, fill, stroke)
        is_box = 4 <= raw.FPDFPath_CountSegments(shape) <= 6
        colour = None
        if fill.value and raw.FPDFPageObj_GetFillColor(shape, *rgba):
            red, green, blue, _ = rgba
            colour = (red.value, green.value, blue.value)
        box = raw.FS_RECTF(left.value, top.value, right.value, bottom.value)
        yield box, bool(stroke.value) and is_box, colour


def _lines(text: pypdfium2.PdfTextPage, sheet: Box) -> Iterator[tuple[int, Line]]:
    """PDFium's lines, split at gaps too wide for a space, each with its rotation in quarter turns.

    PDFium adds the spaces and line ends that the file lacks.
    """
    page = text.raw
    run = _LineCharacters(text)
    bounds = raw.FS_RECTF()
    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(page, index)
        if code in _LINE_ENDS:
            yield from run.end()
            continue
        if code == _SPACE or not raw.FPDFText_GetLooseCharBox(page, index, bounds):
            run.characters.append(chr(code))
            continue

        if bounds.top - bounds.bottom > _TALL:
            _limit_height(page, index, bounds)
        box = _upright(bounds, sheet, run.turn)
        if run.is_apart(box):
            yield from run.end()
        if not run.boxes:
            run.turn = _turn(page, index)
            box = _upright(bounds, sheet, run.turn)
        run.put(chr(code), index, box)
    yield from run.end()


def _turn(page: raw.FPDF_TEXTPAGE, index: int) -> int:
    """How far a character is turned, in quarter turns."""
    angle: float = raw.FPDFText_GetCharAngle(page, index)
    return round(angle / (math.pi / 2)) % 4


def _limit_height(page: raw.FPDF_TEXTPAGE, index: int, box: raw.FS_RECTF) -> None:
    """Limit a character's box to its font size; Cambria Math states several lines."""
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(page, index, matrix)
    size = raw.FPDFText_GetFontSize(page, index) * abs(matrix.d)
    is_too_high = 0 < _MAX_HEIGHT * size < box.top - box.bottom
    if is_too_high:
        x = ctypes.c_double()
        y = ctypes.c_double()
        raw.FPDFText_GetCharOrigin(page, index, x, y)
        box.top = y.value + 0.95 * size
        box.bottom = y.value - 0.25 * size


def _upright(box: Any, sheet: Box, turn: int) -> Box:
    """The box after turning the page so that the text is upright. `box` and `sheet`, the page's
    left, bottom, right and top, count from the bottom.
    """
    west, south, east, north = sheet
    if turn == 0:
        left = box.left - west
        top = north - box.top
        right = box.right - west
        bottom = north - box.bottom
    elif turn == 3:  # read upwards
        left = box.bottom - south
        top = box.left - west
        right = box.top - south
        bottom = box.right - west
    elif turn == 1:
        left = north - box.top
        top = east - box.right
        right = north - box.bottom
        bottom = east - box.left
    else:
        left = east - box.right
        top = box.bottom - south
        right = east - box.left
        bottom = box.top - south
    return left, top, right, bottom


class _LineCharacters:
    """Collects the characters of a line."""

    def __init__(self, page: pypdfium2.PdfTextPage) -> None:
        self._page = page
        self.turn = 0
        self._begin_line()

    def _begin_line(self) -> None:
        """Begin another line, which is turned like the last one until its first box."""
        self.characters: list[str] = []
        self.boxes: list[Box] = []
        """of the characters that have one; spaces have none"""
        self._indexes: list[int] = []
        """of these characters, on the page"""
        self._starts: list[int] = []
        """index of each word's first box"""
        self._gap = 0.0
        """gap before the last character; at the start of a word, the height of its box"""

    def is_apart(self, box: Box) -> bool:
        """Whether a character at `box` is on another line or beyond a wide gap."""
        if not self.boxes:
            return False

        _, last_top, last_right, last_bottom = self.boxes[-1]
        left, top, right, bottom = box
        height = last_bottom - last_top
        twice_the_distance = abs(top + bottom - last_top - last_bottom)
        if twice_the_distance > 1.3 * height or left - last_right > _WIDE * height:
            return True
        start_of_line = self.boxes[0][0]
        return right < start_of_line - height

    def put(self, character: str, index: int, box: Box) -> None:
        """Add a character, after a space if a gap is before it that is not of spaced letters."""
        left, top, _, bottom = box
        height = bottom - top
        if self.boxes:
            gap = left - self.boxes[-1][2]
            is_gap = gap > _WORD_GAP * height > 0 and self._gap < _LETTER_GAP * height
            if is_gap and self.characters[-1].isalnum() and character.isalnum():
                self.characters.append(" ")
        else:
            gap = height

        if not self.boxes or self.characters[-1].isspace():
            self._starts.append(len(self.boxes))
            gap = height
        self._gap = gap
        self.characters.append(character)
        self._indexes.append(index)
        self.boxes.append(box)

    def end(self) -> Iterator[tuple[int, Line]]:
        """The line of the characters so far, if it has text; the next one begins another."""
        text = _visible_text("".join(self.characters))
        if self.boxes and text.strip():
            yield self.turn, self._line(" ".join(text.split()))
        self._begin_line()

    def _line(self, text: str) -> Line:
        """The line with this text, at the place of the boxes."""
        lefts, tops, rights, bottoms = zip(*self.boxes, strict=True)
        top = median_low(tops)
        bottom = median_low(bottoms)
        heights = [box_bottom - box_top for box_top, box_bottom in zip(tops, bottoms, strict=True)]
        first_index = self._indexes[0]
        last_index = self._indexes[-1]
        bold = _is_bold(self._page, first_index) and _is_bold(self._page, last_index)
        return Line(
            left=min(lefts),
            top=top,
            right=max(rights),
            bottom=bottom,
            text=_LEADERS.sub(CELL_BREAK, text),
            size=median_low(heights),
            bold=bold,
            words=tuple(self._words(text, top, bottom, bold)),
        )

    def _words(self, text: str, top: float, bottom: float, bold: bool) -> Iterator[Word]:
        """The words of the line, but no leaders; none if the boxes do not match the text."""
        texts = text.split()
        ends = [*self._starts[1:], len(self.boxes)]
        if len(texts) != len(ends):
            return
        for word, start, end in zip(texts, self._starts, ends, strict=True):
            if not word.strip(".…"):
                continue
            left = self.boxes[start][0]
            right = self.boxes[end - 1][2]
            yield Word(word, left, top, right, bottom, bold)


def _visible_text(text: str) -> str:
    """The characters of a line that are seen. PDFium writes U+0002 for a hyphen that breaks a word,
    which is one only at the line's end.
    """
    text = text.translate(_INVISIBLE).strip()
    last_character = text[-1:].replace("\x02", "-")
    text = text[:-1].replace("\x02", "") + last_character
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_bold(page: pypdfium2.PdfTextPage, index: int) -> bool:
    """Whether the character is bold, by the font's weight or else its name."""
    if raw.FPDFText_GetFontWeight(page, index) >= _BOLD:
        return True
    buffer = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(page, index, buffer, len(buffer), None)
    name = buffer.value.lower()
    return any(word in name for word in _BOLD_NAMES)
