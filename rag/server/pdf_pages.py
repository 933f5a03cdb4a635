"""Images of PDF pages, and the positions of words on them.

PDFium runs in a separate process for each page: a broken file can crash or fill that process
and not the service.

Its arguments are PAGE and WIDTH: it reads a PDF and writes a PNG. With PAGE alone it reads a line,
quotes [words, before, after] as JSON, then a PDF, and writes their boxes and the lines of the page.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

from rag import child_process
from rag.errors import BusyError, InputError
from rag.server.caller import Caller
from rag.server.work import Places, waiting

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, from the top left corner, as fractions of the page's size."""
PageQuote = tuple[str, str, str]
"""Words of a page, and the text before and after them."""
Line = tuple[str, Box]
"""A line of text and its box."""
_CONTEXT = 400
"""Number of characters of context to compare on each side of the words."""
_SECONDS = 20
_MEMORY_MB = 2048
_MOST, _OF_ONE_KEY = 16, 8
"""Pages that are drawn or wait, so that they leave threads and memory to questions."""
_LATE = 1000
"""Pages that are remembered because they took too long."""
_drawing = Places(2, 1)
_admitted: Counter[str] = Counter()
_late: OrderedDict[tuple[str, ...], str] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def place(caller: Caller) -> Iterator[None]:
    """Wait for one of two places to draw a page, of which a key has one at most, and charge the
    seconds of the block. Raises BusyError if too many pages wait, or too many of this key.
    """
    key_id = caller.key_id
    with _lock:
        is_full = _admitted.total() >= _MOST or (key_id and _admitted[key_id] >= _OF_ONE_KEY)
        _admitted[key_id] += not is_full
    if is_full:
        raise BusyError("too many pages are being drawn", "try again in a moment")
    try:
        with waiting():
            _drawing.enter(key_id, 2 * _SECONDS)
        started = time.monotonic()
        try:
            with caller.charged():
                yield
        finally:
            _drawing.leave(key_id, time.monotonic() - started)
    finally:
        with _lock:
            _admitted[key_id] -= 1


def picture(pdf: bytes, page: int, width: int) -> bytes:
    """A page (from 1) as a PNG, in a `place`. Raises InputError if it cannot be drawn."""
    return _run(pdf, b"", str(page), str(width))


def layout(
    pdf: bytes, page: int, quotes: Sequence[PageQuote]
) -> tuple[list[list[Box]], list[Line]]:
    """Boxes of each quote on the page, one per line, and the page's lines of text. A quote that is
    not on it has none; of several matches, that whose context agrees most. A scanned page has no
    lines. Raises as `picture` does.
    """
    contexts = [
        (words, text_before[-_CONTEXT:], text_after[:_CONTEXT])
        for words, text_before, text_after in quotes
    ]
    boxes, lines = json.loads(_run(pdf, f"{json.dumps(contexts)}\n".encode(), str(page)))
    return boxes, lines


def _run(pdf: bytes, first_line: bytes, *arguments: str) -> bytes:
    """The output for a page; one that took too long is not tried again."""
    name = hashlib.sha256(pdf).hexdigest(), *arguments[:1]
    if message := _late.get(name):
        raise InputError(message, "read its text instead")
    try:
        with waiting():
            ran = child_process.run(
                __name__, *arguments, data=first_line + pdf, memory=_MEMORY_MB, seconds=_SECONDS
            )
    except subprocess.TimeoutExpired as error:
        message = f"page {arguments[0]} took longer than {_SECONDS} seconds to draw"
        with _lock:
            _late[name] = message
            if len(_late) > _LATE:
                _late.popitem(last=False)
        raise InputError(message, "read its text instead") from error
    if ran.returncode:
        raise InputError(f"page {arguments[0]} cannot be drawn", "read its text instead")
    return ran.stdout


def _draw(page: Any, width: int) -> bytes:
    """The page as a PNG (ISO/IEC 15948). A receipt roll is at most four times as high as wide."""
    scale = min(width / page.get_width(), 4 * width / page.get_height())
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    pixels, length = bytes(bitmap.buffer), bitmap.width * bitmap.n_channels
    starts = range(0, bitmap.height * bitmap.stride, bitmap.stride)
    rows = b"".join(b"\0" + pixels[start : start + length] for start in starts)
    kind = {1: 0, 3: 2, 4: 6}[bitmap.n_channels]  # grey, RGB, RGBA
    header = struct.pack(">IIBBBBB", bitmap.width, bitmap.height, 8, kind, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + header, b"IDAT" + zlib.compress(rows, 6), b"IEND"):
        png += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png


def find_words(page: Any, words: str, text_before: str = "", text_after: str = "") -> Iterator[Box]:
    """Boxes of the words. Only letters and digits are compared, since the document's text differs
    from the page's in spaces, line ends, hyphens and ligatures.
    """
    quote = _letters(words)
    letters_before = _letters(text_before)
    letters_after = _letters(text_after)
    with closing(page.get_textpage()) as text:
        content = text.get_text_range(0, text.count_chars())
        if not _letters(content):
            yield from _find_in_picture(page, quote, letters_before, letters_after)
        place = _best_place(content, quote, letters_before, letters_after)
        for _, box in _by_line(content, text, place):
            yield _as_shares(page, box)


def _lines(page: Any) -> Iterator[Line]:
    """Lines of text, as far as their characters follow each other on the page."""
    with closing(page.get_textpage()) as text:
        content = text.get_text_range(0, text.count_chars())
        for words, box in _by_line(content, text, range(len(content))):
            yield words, _as_shares(page, box)


def _by_line(content: str, text: Any, places: Iterable[int]) -> Iterator[Line]:
    """The characters of a text page at these places, joined where they are adjacent on one line;
    boxes are (left, bottom, right, top) in points.
    """
    words, line = "", None
    for index in places:
        character, box = content[index], text.get_charbox(index, loose=True)
        if line and (character in "\r\n" or not _same_line(line, box)):
            yield words.strip(), line
            words, line = "", None
        if character.strip():
            line = _union(line, box) if line else box
        words += character
    if line:
        yield words.strip(), line


def _union(one: Box, two: Box) -> Box:
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])


def _find_in_picture(
    page: Any, words: str, letters_before: str, letters_after: str
) -> Iterator[Box]:
    """Boxes of the lines of a scanned page that contain the words; none without the extra `ocr`."""
    picture, lines = _read_picture(page)
    width, height = picture.size
    for number in _best_place([line.text for line in lines], words, letters_before, letters_after):
        line = lines[number]
        yield line.left / width, line.top / height, line.right / width, line.bottom / height


@cache
def _read_picture(page: Any) -> tuple[Any, Sequence[Any]]:
    """A scanned page's picture and its lines; no lines without the extra `ocr`."""
    picture = page.render(scale=2).to_pil()
    try:
        from rag.parsing import ocr
    except ModuleNotFoundError:
        return picture, ()
    return picture, ocr.lines(picture)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text)))


def _best_place(
    texts: Sequence[str], words: str, letters_before: str, letters_after: str
) -> list[int]:
    """Which of the texts have the words, at the occurrence whose context agrees most."""
    letters = [(number, letter) for number, text in enumerate(texts) for letter in _letters(text)]
    on_page = "".join(letter for _, letter in letters)
    starts = [match.start() for match in re.finditer(f"(?={re.escape(words)})", on_page)]

    def agreement(start: int) -> int:
        earlier = _shared(on_page[:start][::-1], letters_before[::-1])
        return earlier + _shared(on_page[start + len(words) :], letters_after)

    if not words or not starts:
        return []
    start = max(starts, key=agreement)
    return list(dict.fromkeys(number for number, _ in letters[start : start + len(words)]))


def _shared(letters: str, other_letters: str) -> int:
    """Length of the common prefix."""
    pairs = enumerate(zip(letters, other_letters, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(letters), len(other_letters)))


def _as_shares(page: Any, box: Box) -> Box:
    """A box in PDF points (left, bottom, right, top) as fractions of the page as drawn."""
    left, bottom, right, top = page.get_bbox()
    x = sorted((side - left) / (right - left) for side in (box[0], box[2]))
    y = sorted((top - side) / (top - bottom) for side in (box[1], box[3]))
    for _ in range(page.get_rotation() // 90):
        x, y = [1 - y[1], 1 - y[0]], x
    return x[0], y[0], x[1], y[1]


def _same_line(line: Box, box: Box) -> bool:
    middle = (box[1] + box[3]) / 2
    return line[1] <= middle <= line[3] and box[0] >= line[0]


def main(arguments: Sequence[str]) -> None:
    import pypdfium2

    number, *width = arguments
    quotes = [] if width else json.loads(sys.stdin.buffer.readline())
    with (
        closing(pypdfium2.PdfDocument(sys.stdin.buffer.read())) as document,
        closing(document[int(number) - 1]) as page,
    ):
        if width:
            picture = _draw(page, int(width[0]))
        else:
            placed = [list(find_words(page, *quote)) for quote in quotes]
            picture = json.dumps([placed, list(_lines(page))]).encode()
    sys.stdout.buffer.write(picture)
