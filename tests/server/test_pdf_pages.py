"""Boxes on PDF pages, compared with PDFium's own search, rectangles and device coordinates."""

import ctypes
from contextlib import closing
from pathlib import Path

import pypdfium2
import pypdfium2.raw
import pytest

from rag.server.pdf_pages import PageBox, find_words
from tests.parsing.pdfs import Put, pdf

LINES = [
    Put(72, 720, "In 2015 the lease was signed in Wexcombe."),
    Put(72, 704, "The pavilion was opened in 2015 by its architect,", 12),
    Put(72, 688, "William Fairweather of Scarness, after the flood of 2015."),
]
SCALE = 1000


def by_pdfium(file: Path, words: str, occurrence: int = 0, page: int = 1) -> list[PageBox]:
    """The rectangles of one occurrence of the words, as fractions of the drawn page."""
    with (
        closing(pypdfium2.PdfDocument(file)) as document,
        closing(document[page - 1]) as opened,
        closing(opened.get_textpage()) as text,
    ):
        search = text.search(words, match_case=True)
        match = [search.get_next() for _ in range(occurrence + 1)][-1]
        assert match is not None
        rectangles = range(text.count_rects(*match))
        return [_drawn(opened, text.get_rect(number)) for number in rectangles]


def boxes(file: Path, words: str, text_before: str = "", text_after: str = "") -> list[PageBox]:
    with closing(pypdfium2.PdfDocument(file)) as document, closing(document[0]) as page:
        return list(find_words(page, words, text_before, text_after))


def _drawn(page: pypdfium2.PdfPage, rectangle: tuple[float, float, float, float]) -> PageBox:
    left_edge, bottom_edge, right_edge, top_edge = rectangle
    (x, y), (u, v) = (
        _device(page, *corner) for corner in ((left_edge, bottom_edge), (right_edge, top_edge))
    )
    return min(x, u), min(y, v), max(x, u), max(y, v)


def _device(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    device_point = ctypes.c_int(), ctypes.c_int()
    pypdfium2.raw.FPDF_PageToDevice(
        page,
        0,
        0,
        SCALE,
        SCALE,
        0,
        x,
        y,
        ctypes.byref(device_point[0]),
        ctypes.byref(device_point[1]),
    )
    return device_point[0].value / SCALE, device_point[1].value / SCALE


def assert_lies_on(boxes: list[PageBox], rectangles: list[PageBox]) -> None:
    """Each box contains PDFium's rectangle, and is at most a line's leading larger."""
    assert len(boxes) == len(rectangles)
    for box, rectangle in zip(boxes, rectangles, strict=True):
        for axis in (0, 1):
            assert box[axis] - 0.008 <= rectangle[axis] <= box[axis] + 0.02
            assert box[axis + 2] - 0.02 <= rectangle[axis + 2] <= box[axis + 2] + 0.008


@pytest.mark.parametrize("crop", ["", " /CropBox [50 600 450 800]"])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_box_lies_on_the_words(tmp_path: Path, turned: int, crop: str) -> None:
    file = tmp_path / "a.pdf"
    source = pdf([LINES]).decode("cp1252")
    size = "/MediaBox [0 0 595 842]"
    file.write_bytes(source.replace(size, f"{size} /Rotate {turned}{crop}").encode("cp1252"))
    assert_lies_on(boxes(file, "William Fairweather"), by_pdfium(file, "William Fairweather"))


def test_words_on_two_lines_have_two_boxes(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(pdf([LINES]))
    line_end, line_start = (
        by_pdfium(file, "by its architect,"),
        by_pdfium(file, "William Fairweather"),
    )
    assert_lies_on(boxes(file, "by its architect, William Fairweather"), line_end + line_start)


@pytest.mark.parametrize(
    ("text_before", "text_after", "occurrence"),
    [
        ("In ", " the lease was signed", 0),
        ("The pavilion was opened in ", " by its architect", 1),
        ("William Fairweather of Scarness, after the flood of ", ".", 2),
        ("", "", 0),
    ],
)
def test_words_that_recur_are_boxed_where_they_are_quoted(
    tmp_path: Path, text_before: str, text_after: str, occurrence: int
) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(pdf([LINES]))
    assert_lies_on(
        boxes(file, "2015", text_before, text_after), by_pdfium(file, "2015", occurrence)
    )


def test_spaces_hyphens_and_ligatures_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(pdf([[Put(72, 700, "The archi-"), Put(72, 686, "tect is first.")]]))
    assert len(boxes(file, "The  architect is \ufb01rst")) == 2
    assert boxes(file, "a word that is not there") == []
    assert boxes(file, "…") == []
