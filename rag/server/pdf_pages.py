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
from rag.server.work import WorkPlaces, waiting

PageBox = tuple[float, float, float, float]
"""Left, top, right, bottom, from the top left corner, as fractions of the page's size."""
PageQuote = tuple[str, str, str]
"""Words of a page, and the text before and after them."""
PageLine = tuple[str, PageBox]
"""A line of text and its box."""
_CONTEXT = 400
"""Number of characters of context to compare on each side of the words."""
_SECONDS = 20
_MEMORY_MB = 2048
_MOST_PAGES = 16
_MOST_OF_ONE_KEY = 8
"""Pages that are drawn or wait, so that they leave threads and memory to questions."""
_MOST_REMEMBERED = 1000
"""Pages that are remembered because they took too long."""
_drawing = WorkPlaces(2, 1)
_admitted: Counter[str] = Counter()
_slow_pages: OrderedDict[tuple[str, str], str] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def place(caller: Caller) -> Iterator[None]:
    """Wait for one of two places to draw a page, of which a key has one at most, and charge the
    seconds of the block. Raises BusyError if too many pages wait, or too many of this key.
    """
    key_id = caller.key_id
    with _lock:
        has_its_share = key_id and _admitted[key_id] >= _MOST_OF_ONE_KEY
        if has_its_share or _admitted.total() >= _MOST_PAGES:
            raise BusyError("too many pages are being drawn", "try again in a moment")
        _admitted[key_id] += 1

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
) -> tuple[list[list[PageBox]], list[PageLine]]:
    """Boxes of each quote on the page, one per line, and the page's lines of text. A quote that is
    not on it has none; of several matches, that whose context agrees most. A scanned page has no
    lines. Raises as `picture` does.
    """
    contexts = []
    for words, text_before, text_after in quotes:
        contexts.append((words, text_before[-_CONTEXT:], text_after[:_CONTEXT]))

    first_line = f"{json.dumps(contexts)}\n".encode()
    boxes, lines = json.loads(_run(pdf, first_line, str(page)))
    return boxes, lines


def _run(pdf: bytes, first_line: bytes, *arguments: str) -> bytes:
    """The output for a page; one that took too long is not tried again."""
    page = arguments[0]
    name = (hashlib.sha256(pdf).hexdigest(), page)
    remembered = _slow_pages.get(name)
    if remembered:
        raise InputError(remembered, "read its text instead")

    try:
        with waiting():
            ran = child_process.run(
                __name__,
                *arguments,
                data=first_line + pdf,
                memory=_MEMORY_MB,
                seconds=_SECONDS,
            )
    except subprocess.TimeoutExpired as error:
        message = f"page {page} took longer than {_SECONDS} seconds to draw"
        _remember_late(name, message)
        raise InputError(message, "read its text instead") from error

    if ran.returncode:
        raise InputError(f"page {page} cannot be drawn", "read its text instead")
    return ran.stdout


def _remember_late(name: tuple[str, str], message: str) -> None:
    with _lock:
        _slow_pages[name] = message
        if len(_slow_pages) > _MOST_REMEMBERED:
            _slow_pages.popitem(last=False)


def _draw(page: Any, width: int) -> bytes:
    """The page as a PNG (ISO/IEC 15948). A receipt roll is at most four times as high as wide."""
    scale = min(width / page.get_width(), 4 * width / page.get_height())
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    colour_type = {1: 0, 3: 2, 4: 6}[bitmap.n_channels]  # grey, RGB, RGBA
    header = struct.pack(
        ">IIBBBBB",
        bitmap.width,
        bitmap.height,
        8,  # bits of a channel
        colour_type,
        0,  # compression by deflate
        0,  # filters, of which each row names its own
        0,  # not interlaced
    )

    rows = b"".join(_png_rows(bitmap))
    chunks = (
        b"IHDR" + header,
        b"IDAT" + zlib.compress(rows, 6),
        b"IEND",
    )
    png = b"\x89PNG\r\n\x1a\n"
    for chunk in chunks:
        size = len(chunk) - 4  # without the name
        png += struct.pack(">I", size)
        png += chunk
        png += struct.pack(">I", zlib.crc32(chunk))
    return png


def _png_rows(bitmap: Any) -> Iterator[bytes]:
    """The rows of pixels, each after a zero: it is not filtered."""
    pixels = bytes(bitmap.buffer)
    length = bitmap.width * bitmap.n_channels
    for number in range(bitmap.height):
        start = number * bitmap.stride  # a row of the bitmap may be longer
        yield b"\0" + pixels[start : start + length]


def find_words(
    page: Any, words: str, text_before: str = "", text_after: str = ""
) -> Iterator[PageBox]:
    """Boxes of the words. Only letters and digits are compared, since the document's text differs
    from the page's in spaces, line ends, hyphens and ligatures.
    """
    quote = _letters(words)
    letters_before = _letters(text_before)
    letters_after = _letters(text_after)

    with closing(page.get_textpage()) as text:
        content = text.get_text_range(0, text.count_chars())
        is_scanned = not _letters(content)
        if is_scanned:
            yield from _find_in_picture(page, quote, letters_before, letters_after)
        place = _best_place(content, quote, letters_before, letters_after)
        for _, box in _by_line(content, text, place):
            yield _as_shares(page, box)


def _lines(page: Any) -> Iterator[PageLine]:
    """Lines of text, as far as their characters follow each other on the page."""
    with closing(page.get_textpage()) as text:
        content = text.get_text_range(0, text.count_chars())
        for words, box in _by_line(content, text, range(len(content))):
            yield words, _as_shares(page, box)


def _by_line(content: str, text: Any, places: Iterable[int]) -> Iterator[PageLine]:
    """The characters of a text page at these places, joined where they are adjacent on one line;
    boxes are (left, bottom, right, top) in points.
    """
    words = ""
    line = None
    for index in places:
        character = content[index]
        box = text.get_charbox(index, loose=True)

        if line:
            is_line_end = character in "\r\n"
            if is_line_end or not _is_same_line(line, box):
                yield words.strip(), line
                words = ""
                line = None

        if character.strip():
            line = _union(line, box) if line else box
        words += character

    if line:
        yield words.strip(), line


def _union(box: PageBox, other_box: PageBox) -> PageBox:
    return (
        min(box[0], other_box[0]),
        min(box[1], other_box[1]),
        max(box[2], other_box[2]),
        max(box[3], other_box[3]),
    )


def _find_in_picture(
    page: Any, words: str, letters_before: str, letters_after: str
) -> Iterator[PageBox]:
    """Boxes of the lines of a scanned page that contain the words; none without the extra `ocr`."""
    picture, lines = _read_picture(page)
    width, height = picture.size
    texts = [line.text for line in lines]
    for number in _best_place(texts, words, letters_before, letters_after):
        line = lines[number]
        yield (
            line.left / width,
            line.top / height,
            line.right / width,
            line.bottom / height,
        )


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
    """The letters and digits, with ligatures opened."""
    normalized = unicodedata.normalize("NFKC", text)
    return "".join(filter(str.isalnum, normalized))


def _best_place(
    texts: Sequence[str], words: str, letters_before: str, letters_after: str
) -> list[int]:
    """Which of the texts have the words, at the occurrence whose context agrees most."""
    numbers = []  # of the text of each letter
    letters = []
    for number, text in enumerate(texts):
        for letter in _letters(text):
            numbers.append(number)
            letters.append(letter)
    on_page = "".join(letters)

    starts = [match.start() for match in re.finditer(f"(?={re.escape(words)})", on_page)]
    if not words or not starts:
        return []

    def agreement(start: int) -> int:
        end = start + len(words)
        letters_shared_before = _shared_length(on_page[:start][::-1], letters_before[::-1])
        letters_shared_after = _shared_length(on_page[end:], letters_after)
        return letters_shared_before + letters_shared_after

    start = max(starts, key=agreement)
    end = start + len(words)
    return list(dict.fromkeys(numbers[start:end]))


def _shared_length(letters: str, other_letters: str) -> int:
    """Length of the common prefix."""
    length = 0
    for letter, other_letter in zip(letters, other_letters, strict=False):
        if letter != other_letter:
            break
        length += 1
    return length


def _as_shares(page: Any, box: PageBox) -> PageBox:
    """A box in PDF points (left, bottom, right, top) as fractions of the page as drawn."""
    left, bottom, right, top = page.get_bbox()
    width = right - left
    height = top - bottom
    x = sorted([(box[0] - left) / width, (box[2] - left) / width])
    y = sorted([(top - box[1]) / height, (top - box[3]) / height])

    for _ in range(page.get_rotation() // 90):
        turned = [1 - y[1], 1 - y[0]]
        y = x
        x = turned
    return x[0], y[0], x[1], y[1]


def _is_same_line(line: PageBox, box: PageBox) -> bool:
    """Whether a character is at the height of a line, and not before its start."""
    middle = (box[1] + box[3]) / 2
    is_at_height = line[1] <= middle <= line[3]
    return is_at_height and box[0] >= line[0]


def main(arguments: Sequence[str]) -> None:
    import pypdfium2

    number, *width = arguments
    quotes = []
    if not width:
        quotes = json.loads(sys.stdin.buffer.readline())

    with (
        closing(pypdfium2.PdfDocument(sys.stdin.buffer.read())) as document,
        closing(document[int(number) - 1]) as page,
    ):
        if width:
            output = _draw(page, int(width[0]))
        else:
            boxes = [list(find_words(page, *quote)) for quote in quotes]
            lines = list(_lines(page))
            output = json.dumps([boxes, lines]).encode()
    sys.stdout.buffer.write(output)
