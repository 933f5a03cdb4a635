"""Scans and images, recognised by the models in RapidOCR's wheel."""

from collections.abc import Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from pypdfium2 import PdfDocument

from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseTask, Pool, one_by_one
from rag.server.pdf_pages import find_words
from tests.parsing.reading import load_bytes

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")
Image = pytest.importorskip("PIL.Image")
Draw = pytest.importorskip("PIL.ImageDraw")
Font = pytest.importorskip("PIL.ImageFont")
pytestmark = pytest.mark.slow

LETTER = ("Notice to tenants", "The boiler is serviced in October.", "Call 555 0142 if it leaks.")
SECOND = ("The caretaker is Ada Brandt.",)


def drawn(lines: Sequence[str]) -> object:
    page = Image.new("RGB", (1000, 750), "white")
    for number, line in enumerate(lines):
        place = 90, 120 + 60 * number
        Draw.Draw(page).text(place, line, "black", font=Font.load_default(34))
    return page


def saved(kind: str, *pages: Sequence[str]) -> bytes:
    page, *following = map(drawn, pages)
    file = BytesIO()
    options = {"save_all": True, "append_images": following} if following else {}
    page.save(file, kind, **options)  # type: ignore[attr-defined]
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_an_image_is_read(kind: str) -> None:
    (document,) = load_bytes(f"notice.{kind}", saved(kind, LETTER))
    assert "The boiler is serviced in October." in document.text
    assert document.page(document.text.index("boiler")) == 1


def test_a_scan_is_read_by_page_with_boxes() -> None:
    content = saved("pdf", LETTER, SECOND)
    (document,) = load_bytes("scan.pdf", content)
    assert document.page(document.text.index("Ada Brandt")) == 2
    with closing(PdfDocument(content)) as pdf:
        ((left_edge, top_edge, right_edge, bottom_edge),) = find_words(
            pdf[0], "serviced in October"
        )
    assert 0.08 < left_edge < right_edge < 0.8
    assert 0.2 < top_edge < bottom_edge < 0.32


def test_each_picture_of_a_file_is_a_page() -> None:
    (document,) = load_bytes("pages.tiff", saved("tiff", LETTER, SECOND))
    assert len(document.pages) == 2
    assert document.text.index("555 0142") < document.text.index("Ada Brandt")


def test_each_page_is_announced_before_it_is_recognised(tmp_path: Path) -> None:
    scan, pictures = tmp_path / "scan.pdf", tmp_path / "pages.tiff"
    scan.write_bytes(saved("pdf", LETTER, ()))
    pictures.write_bytes(saved("tiff", SECOND, SECOND))
    announced: list[tuple[int, int, bool]] = []

    def task(path: Path) -> ParseTask:
        file = FoundFile(path, path.name)
        return ParseTask(file, on_scan=lambda *scan: announced.append(scan))

    with Pool(1) as pool:
        ((_, loaded),) = pool([task(scan)])
    assert isinstance(loaded, Loaded), loaded
    assert announced == [(1, 2, False), (1, 2, True), (2, 2, False)]
    ((_, loaded),) = one_by_one([task(pictures)])
    assert isinstance(loaded, Loaded)
    assert announced[3:] == [(n, 2, has_text) for n in (1, 2) for has_text in (False, True)]
