"""PDF: characters become lines, lines become paragraphs and tables, and these become a text.

`characters` reads the file through PDFium, `furniture` drops running heads and contents, `forms`
and `tables` find labelled values and tables, `layout` puts all into reading order, and `outline`
reads the file's bookmarks.
"""

from rag.parsing.base import Parsed
from rag.parsing.pdf.characters import read
from rag.parsing.pdf.layout import structured_text


def parse(content: bytes, keep_furniture: bool = False) -> Parsed:
    """Text, headings, metadata and pages; `keep_furniture` keeps running heads and tables of
    contents. Raises ParseError if the file is encrypted or not a PDF.
    """
    pages, metadata, titles = read(content)
    return structured_text(pages, metadata, titles, keep_furniture)
