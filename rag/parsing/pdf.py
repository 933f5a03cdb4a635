"""PDF, through pypdfium2 (PDFium): text with pages, columns in reading order, without running heads
and broken words.

Headings are those of the file's outline, or else what stands in larger or bolder type than the most
of the text.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from statistics import median_low
from typing import Any

import pypdfium2
from pypdfium2 import raw

from rag.parsing import pdf_outline
from rag.parsing.base import Block, Parsed, ParseError, of_pages
from rag.parsing.pdf_forms import with_forms
from rag.parsing.pdf_furniture import Named, PdfPage, without_furniture
from rag.parsing.pdf_layout import Line, Paragraph, paragraphs, regions, with_grids
from rag.parsing.pdf_rules import Rules
from rag.parsing.pdf_tables import Columns

_LOCK = threading.Lock()
"""PDFium is not made for threads."""
_BOLD = 600
_LONGEST_HEADING = 150
_WIDE = 2.0
"""A gap of so many font heights is one between columns or cells."""
_HYPHENS = "-\u2010"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NO_TITLE = re.compile(
    r"(?i)untitled.*|microsoft \w+ - .*|.*\.(?:docx?|pdf|tex|dvi|indd|qxd|pptx?|odt|rtf)|\W*"
)
_UNSEEN = dict.fromkeys([0, 1, *range(3, 9), *range(14, 32), 0xAD, 0xFFFE, 0xFFFF])
_MOST_LEVELS = 4
_LEADERS = re.compile(r"(?: ?\.){5,} *|(?: ?\u2026){3,} *")
"""The dots between a title and its page in a table of contents."""
_LAST = re.compile(r"[^\W\d_-]+\Z")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_ENDS = ".!?:;"
_MOST_SHAPES = 20_000
_OCR_SCALE, _OCR_SIDE = 2.0, 2400
"""Pixels a point at which a page is read as a picture, and the most of a side."""
_COMPANY = re.compile(
    r"(?:[A-Z][\w.&'\u2019-]*,? ){1,5}"
    r"(?:(?i:Inc|Corp|Ltd|Co|S\.A|N\.V)\b\.?|(?i:Corporation|Company|Limited|LLC|PLC|GmbH|AG|SE)\b)"
)
_COVER, _OFTEN = 3000, 3
"""Characters in which a company is looked for, and how often its name stands in the text."""
_TIGHT, _SPACE = 0.05, 0.14
"""The most between letters and the least between words, in font heights."""
_TALL, _HIGHEST = 20.0, 2.0
"""Points, and font heights, that a line of text is rarely as high as."""
_FIRST = 400
"""Where the document's own title may begin."""


_Box = tuple[float, float, float, float]
"""Left, top, right, bottom, from the page's left and top."""


def parse(content: bytes, keep_furniture: bool = False) -> Parsed:
    """Text, headings, metadata and pages, without running heads and contents unless
    `keep_furniture`.

    Raises ParseError if it is encrypted or no PDF.
    """
    with _LOCK, closing(_open(content)) as document:
        metadata = _metadata(document)
        titles = pdf_outline.read(document)
        pages = [_read(document, number) for number in range(len(document))]
    return structured(pages, metadata, titles, keep_furniture)


def structured(
    pages: list[PdfPage],
    metadata: dict[str, str],
    titles: pdf_outline.Outline | None = None,
    keep_furniture: bool = False,
) -> Parsed:
    """Lines on pages as a text with headings, and `titles`, those of the file's outline."""
    whole, named, left_out = pages, Named(), 0
    if not keep_furniture:
        pages, named, left_out = without_furniture(pages)
        if not any(page.lines for page in pages):
            pages, left_out = whole, 0
    laid_out = _laid_out(pages)
    words = Counter(
        word
        for page in laid_out
        for p in page
        for line in p.lines
        for word in _WORD.findall(line)[:-1]
    )
    levels = _levels(laid_out)
    blocks = [[_block(paragraph, levels, words) for paragraph in page] for page in laid_out]
    if title := _title(blocks):
        metadata.setdefault("title", title)
    _complete(metadata, named, blocks)
    blocks = (titles and pdf_outline.apply(blocks, titles)) or blocks
    parsed = of_pages(blocks, metadata, lambda first, second: _continued(first, second, words))
    return replace(parsed, left_out=left_out)


def _complete(metadata: dict[str, str], named: Named, pages: Sequence[Sequence[Block]]) -> None:
    """Put into the title what the document is called elsewhere: identifiers in running heads, and,
    where the title names a file rather than a text, a running head and the company.
    """
    title, names = metadata.get("title", ""), list(named.identifiers)
    if title and not any(map(str.isspace, title)):
        names = [named.head] if any(map(str.isalpha, named.head)) else names
        company = _company(pages)
        names += [company] if company.lower() not in named.head.lower() else []
    if missing := [name for name in names if name not in title] if title else []:
        metadata["title"] = f"{title} ({', '.join(missing)})"


def _company(pages: Sequence[Sequence[Block]]) -> str:
    """The company that is named on the first page, and most often."""
    first = "\n".join(block.text for block in chain.from_iterable(pages[:1]))[:_COVER]
    found = dict.fromkeys(match.group() for match in _COMPANY.finditer(first))
    text = "\n".join(block.text for block in chain.from_iterable(pages)).lower()
    best = max(found, key=lambda name: text.count(name.lower()), default="")
    return best if text.count(best.lower()) >= _OFTEN else ""


def _title(pages: Sequence[Sequence[Block]]) -> str:
    """The first heading, by its type, if the document begins with it."""
    before = 0
    for block in chain.from_iterable(pages):
        if block.level or before >= _FIRST:
            return block.text if block.level and before < _FIRST else ""
        before += len(block.text)
    return ""


def _laid_out(pages: Sequence[PdfPage]) -> list[list[Paragraph]]:
    """The paragraphs of each page; a table goes on at the top of the next page under the headers
    that it has.
    """
    found: list[list[Paragraph]] = []
    columns: Columns | None = None
    for page in pages:
        found.append(list(_paragraphs(page, columns)))
        columns = next((p.columns for p in reversed(found[-1]) if p.columns), None)
    return found


def _paragraphs(page: PdfPage, columns: Columns | None) -> Iterator[Paragraph]:
    for region in regions(with_forms(with_grids(page.lines, page.rules))):
        for paragraph in paragraphs(region, columns, page.rules.across):
            columns = paragraph.columns or columns
            yield paragraph
    for line in page.aside:
        yield Paragraph((line.text,), 1.0, False)


def _open(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        raise ParseError(
            "is encrypted" if encrypted else "is not a PDF that can be read, or is cut short"
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
    """The lines of a page that stand as the most of its text does, in the order of the file; of a
    page that is broken, none.
    """
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
    """What is read in a page that is a picture; None without one, and without the extra `ocr`."""
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
    """The bounds of what is drawn on a page, and whether it is a box with an outline."""
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
    """PDFium's lines, cut where a gap is too wide for a space, each with the quarter turns that it
    is turned by.

    PDFium puts in the spaces and line ends that the file lacks.
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
    """Make a character's box as high as its font, where that states a line several times as high,
    as Cambria Math does.
    """
    matrix, x, y = raw.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetMatrix(page, at, matrix)
    size = raw.FPDFText_GetFontSize(page, at) * abs(matrix.d)
    if 0 < _HIGHEST * size < box.top - box.bottom:
        raw.FPDFText_GetCharOrigin(page, at, x, y)
        box.top, box.bottom = y.value + 0.95 * size, y.value - 0.25 * size


def _upright(box: Any, sheet: _Box, turn: int) -> _Box:
    """Left, top, right, bottom as they are when the page is turned so that the text stands
    upright.
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
    """A line as its characters come."""

    def __init__(self, page: pypdfium2.PdfTextPage) -> None:
        self._page = page
        self.turn = 0
        self.characters: list[str] = []
        self._at: list[int] = []
        self._boxes: list[_Box] = []
        self._starts: list[int] = []
        """Of words: the number of their first box."""
        self._gap = 0.0
        """Before the last character, if it is not the first of a word."""

    def is_empty(self) -> bool:
        return not self._boxes

    def is_apart(self, box: _Box) -> bool:
        """Whether a character there is on another line or beyond a gap."""
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
        """Whether there is a gap before the character, as between words, but no space, in type
        that is not spaced out.
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
            lefts, tops, rights, bottoms = zip(*self._boxes, strict=True)
            size = median_low([bottom - top for top, bottom in zip(tops, bottoms, strict=True)])
            bold = all(_is_bold(self._page, at) for at in (self._at[0], self._at[-1]))
            text = " ".join(text.split())
            top, bottom, words = median_low(tops), median_low(bottoms), tuple(self._words(text))
            shown = _LEADERS.sub(" | ", text)
            line = Line(min(lefts), top, max(rights), bottom, shown, size, bold, words)
            yield self.turn, line
        self.characters, self._at, self._boxes, self._starts = [], [], [], []

    def _words(self, text: str) -> Iterator[tuple[str, float, float]]:
        """The words with their left and right, without leaders; none where the text has other
        words.
        """
        words, ends = text.split(), [*self._starts[1:], len(self._boxes)]
        if len(words) == len(ends):
            for word, start, end in zip(words, self._starts, ends, strict=True):
                if word.strip(".\u2026"):
                    yield word, self._boxes[start][0], self._boxes[end - 1][2]


def _is_bold(page: pypdfium2.PdfTextPage, at: int) -> bool:
    """By the weight that the file states, or else by the font's name."""
    if raw.FPDFText_GetFontWeight(page, at) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(page, at, name, len(name), None)
    return any(word in name.value.lower() for word in (b"bold", b"black", b"heavy"))


def _levels(pages: Sequence[Sequence[Paragraph]]) -> dict[float, int]:
    """Sizes of headings with their level, 1 for the largest; 0.0 stands for bold type of the size
    of the text.
    """
    weights = Counter[float]()
    for page in pages:
        for paragraph in page:
            weights[_size(paragraph)] += sum(map(len, paragraph.lines))
    if not weights:
        return {}
    body = weights.most_common(1)[0][0]
    larger = sorted(
        {_size(p) for page in pages for p in page if _size(p) > 1.12 * body and _may_head(p)},
        reverse=True,
    )
    levels = {size: min(level, _MOST_LEVELS) for level, size in enumerate(larger, 1)}
    return levels | {0.0: min(len(levels), _MOST_LEVELS) + 1, -1.0: round(body)}


def _size(paragraph: Paragraph) -> float:
    return round(paragraph.size * 2) / 2


def _may_head(paragraph: Paragraph) -> bool:
    text = " ".join(paragraph.lines)
    letters = sum(map(str.isalpha, text))
    return (
        not paragraph.table
        and len(text) <= _LONGEST_HEADING
        and letters > 1
        and letters > len(text) / 3
    )


def _block(paragraph: Paragraph, levels: dict[float, int], words: Counter[str]) -> Block:
    text = "\n".join(paragraph.lines) if paragraph.table else _joined(paragraph.lines, words)
    if not _may_head(paragraph):
        return Block(text, context=paragraph.columns.caption if paragraph.columns else ())
    bold = (
        paragraph.bold
        and len(text) <= 100
        and text[-1] not in ".,;:"
        and _size(paragraph) >= levels[-1.0] * 0.95
    )
    return Block(text, levels.get(_size(paragraph), levels[0.0] if bold else 0))


def _joined(lines: Sequence[str], words: Counter[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        text = _glued(text, line, words)
    return text


def _glued(text: str, line: str, words: Counter[str]) -> str:
    """Two lines as one; a word that was broken is whole again, unless it is one with a hyphen
    elsewhere too.
    """
    if text[-1] not in _HYPHENS or len(text) < 2 or not text[-2].isalpha() or not line[0].islower():
        return f"{text} {line}"
    first, second = _LAST.search(text[:-1]), _FIRST_WORD.match(line)
    whole, parts = (
        (first.group() if first else "") + h + (second.group() if second else "") for h in ("", "-")
    )
    return text[:-1] + ("-" if words[parts] > words[whole] else "") + line


def _continued(first: str, second: str, words: Counter[str]) -> str | None:
    """A paragraph that goes on in the next column or on the next page."""
    if "\n" in first or " | " in first + second or first[-1] in _ENDS or not second[0].islower():
        return None
    return _glued(first, second, words)
