import pytest

from rag.errors import InputError
from tests.parsing.archives import zipped
from tests.parsing.reading import headings, load_bytes

PACKAGE = """<?xml version="1.0"?><package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>The sea</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bo</dc:creator>
<dc:language>en-GB</dc:language>
<dc:date>1912-03-05</dc:date></metadata><manifest>
<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="two" href="two.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one%201.xhtml" media-type="application/xhtml+xml"/>
</manifest>
<spine><itemref idref="n"/><itemref idref="one"/><itemref idref="two"/></spine></package>"""
ROOT = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
FILES: dict[str, bytes | str] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": ROOT,
    "OPS/book.opf": PACKAGE,
    "OPS/nav.xhtml": "<html><body><nav>Contents</nav></body></html>",
    "OPS/text/one 1.xhtml": "<html><body><h1>Fish</h1><p>They swim.</p></body></html>",
    "OPS/two.xhtml": "<html><body><h1>Ships</h1><p>They sail.</p></body></html>",
}


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    (document,) = load_bytes("sea.epub", zipped(FILES))
    assert document.text == "Fish\n\nThey swim.\n\nShips\n\nThey sail."
    assert headings(document) == ["Fish", "Ships"]
    assert document.title == "The sea"
    dated = {"date": "1912-03-05", "year": "1912"}
    assert document.metadata == {"author": "Ada, Bo", "language": "en", "type": "epub"} | dated


@pytest.mark.parametrize("name", ["META-INF/container.xml", "OPS/book.opf", "OPS/two.xhtml"])
def test_a_missing_part_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        load_bytes("sea.epub", zipped({key: FILES[key] for key in FILES if key != name}))


def test_other_files_are_not_books() -> None:
    with pytest.raises(InputError, match="no package"):
        load_bytes("sea.epub", zipped({"META-INF/container.xml": "<container/>"}))
    with pytest.raises(InputError, match="not a zip"):
        load_bytes("sea.epub", b"x")
