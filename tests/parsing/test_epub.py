from __future__ import annotations

import pytest

from rag.errors import InputError
from rag.parsing.load import load_bytes
from rag.structure import sections
from tests.parsing.archives import zipped

CONTAINER = (
    '<container><rootfiles><rootfile full-path="OPS/book.opf" '
    'media-type="x"/></rootfiles></container>'
)
PACKAGE = """<?xml version="1.0"?><package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>The sea</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bo</dc:creator>
<dc:language>en-GB</dc:language>
<dc:date>1912-03-05</dc:date></metadata><manifest>
<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<item id="two" href="two.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one%201.xhtml" media-type="application/xhtml+xml"/>
</manifest>
<spine><itemref idref="n"/><itemref idref="one"/><itemref idref="two"/></spine></package>"""
FILES: dict[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE,
    "OPS/nav.xhtml": "<html><body><nav>Contents</nav></body></html>",
    "OPS/text/one 1.xhtml": (
        "<?xml version='1.0'?><html><body><h1>Fish</h1><p>They swim.</p></body></html>"
    ),
    "OPS/two.xhtml": "<html><body><h1>Ships</h1><p>They sail.</p></body></html>",
}


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    (document,) = load_bytes("sea.epub", zipped(FILES))
    assert document.text == "Fish\n\nThey swim.\n\nShips\n\nThey sail."
    assert [s.heading for s in sections(document.blocks)] == ["Fish", "Ships"]
    assert document.title == "The sea"
    assert document.metadata == {
        "author": "Ada, Bo",
        "language": "en",
        "date": "1912-03-05",
        "year": "1912",
        "type": "epub",
    }


@pytest.mark.parametrize("without", ["META-INF/container.xml", "OPS/book.opf", "OPS/two.xhtml"])
def test_a_missing_part_is_named(without: str) -> None:
    with pytest.raises(InputError, match=without):
        load_bytes(
            "sea.epub",
            zipped({name: content for name, content in FILES.items() if name != without}),
        )


def test_other_files_are_not_books() -> None:
    with pytest.raises(InputError, match="no package"):
        load_bytes("sea.epub", zipped({"META-INF/container.xml": "<container/>"}))
    with pytest.raises(InputError, match="not a zip"):
        load_bytes("sea.epub", b"x")
