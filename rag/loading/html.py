"""HTML: headings, paragraphs, lists and tables of the main part of a page, through Beautiful Soup.

The tree is walked without recursion and each start tag closes what HTML lets it close: pages that leave out </p>, </li> or
</td>, as they may, are nested thousands deep in Beautiful Soup's tree.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from bs4.element import NavigableString, PageElement, PreformattedString
from bs4.exceptions import ParserRejectedMarkup

from rag.loading.blocks import DEEPEST_INDENT, Block, join
from rag.loading.rows import MOST_SPANNED, Cell, Rows
from rag.types import Section

_UNSEEN = "script style template noscript iframe title svg del s strike".split()
_FURNITURE = "nav header footer aside form button select textarea".split()
_FURNITURE_ROLES = "navigation search banner contentinfo complementary".split()
_FURNITURE_CLASSES = "navheader navfooter nav-panel related sphinxsidebar language-selection".split()
"""DocBook's, Texinfo's and Sphinx's (the last of the kernel's pages), which do not use <nav>."""
_REMARKS = "note tip important caution warning danger admonition".split()
"""Classes of boxes whose own heading is none of the page's: what follows the box is not under it."""
_PERMALINKS = ("¶", "#", "§", "🔗", "")
"""The text of a link from a heading to itself."""
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = ("ul", "ol", "menu")
_BLOCKS = frozenset(
    (
        "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer "
        "form header hgroup hr html legend li main nav p pre section summary table tbody td tfoot th thead tr"
    ).split()
).union(_HEADINGS, _LISTS)
_METADATA = {
    "date": ("date", "dc.date", "article:published_time", "dcterms.created"),
    "author": ("author", "dc.creator", "article:author"),
    "description": ("description", "og:description"),
    "keywords": ("keywords",),
}


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, metadata) of a page: its main part, or its only <article> if that holds most of the text, without
    navigation, scripts, and what is struck out.

    Forms are left out too, unless they have a heading or hold most of the text.
    """
    found = _parsed(source, all_forms=False)
    return found if found[0] else _parsed(source, all_forms=True)


def _parsed(source: str, all_forms: bool) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    page = soup(source)
    _drop_permalinks(page)
    metadata = _metadata(page)
    root = page.find("main") or page.find(role="main") or _only_article(page) or page
    _drop(root, _UNSEEN)
    most = len(root.get_text()) / 2
    for tag in root.find_all(_is_furniture):
        has_heading = tag.name in ("header", "form") and tag.find(list(_HEADINGS))
        if not (has_heading or (tag.name == "form" and (all_forms or len(tag.get_text()) > most))):  # some pages are one form
            tag.decompose()
    for tag in root.find_all(list(_HEADINGS)):
        if tag.parent and any(name in _REMARKS for name in tag.parent.get("class") or ()):
            tag.name = "p"
    text, sections = join(_blocks(root))
    return text, sections, metadata


def _only_article(page: BeautifulSoup) -> Tag | None:
    """The page's only article, unless it is a card beside the text."""
    articles = page.find_all("article")
    return articles[0] if len(articles) == 1 and 2 * _length(articles[0]) >= _length(page) else None


def _length(root: Tag) -> int:
    """Characters of text that is neither unseen nor furniture."""
    length = inside = 0
    for node, opens in _events(root):
        if isinstance(node, NavigableString):
            length += 0 if inside else len(node.strip())
        elif isinstance(node, Tag) and node is not root and (node.name in _UNSEEN or _is_furniture(node)):
            inside += 1 if opens else -1
    return length


def _is_furniture(tag: Tag) -> bool:
    if tag.name in ("html", "body", "main"):
        return False
    classes = tag.get("class") or ()
    return tag.name in _FURNITURE or tag.get("role") in _FURNITURE_ROLES or any(name in _FURNITURE_CLASSES for name in classes)


def _drop_permalinks(page: BeautifulSoup) -> None:
    for link in page.find_all("a", href=re.compile("^#")):
        if link.get_text().strip() in _PERMALINKS:
            link.decompose()


def fragment(source: str) -> Iterator[Block]:
    """The blocks of HTML inside another format: everything that is seen."""
    root = soup(source)
    _drop(root, _UNSEEN)
    return _blocks(root)


def soup(source: str) -> BeautifulSoup:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        try:
            return BeautifulSoup(source, "html.parser")
        except ParserRejectedMarkup:  # "<![" that opens nothing known
            return BeautifulSoup(source.replace("<![", "&lt;!["), "html.parser")


def _drop(root: Tag, names: list[str]) -> None:
    for tag in root.find_all(names):
        tag.decompose()


def _metadata(page: BeautifulSoup) -> dict[str, str]:
    found: dict[str, str] = {}
    given = {
        str(tag.get("name") or tag.get("property") or "").lower(): str(tag["content"])
        for tag in page.find_all("meta", content=True)
    }
    for key, names in _METADATA.items():
        value = next((given[name].strip() for name in names if given.get(name, "").strip()), "")
        found |= {key: value} if value else {}
    language = page.find("html", lang=True)
    found |= {"language": str(language["lang"])} if language else {}
    title = page.find("title")
    named = title.get_text() if title else ""
    if not named.strip():
        named = next((block.text for block in _blocks(page) if block.level == 1), "")
    return found | ({"title": " ".join(named.split())} if named.strip() else {})


def _blocks(root: Tag) -> Iterator[Block]:
    builder = _Builder()
    for node, opens in _events(root):
        if isinstance(node, NavigableString):
            builder.text(node)
        elif isinstance(node, Tag):
            builder.start(node) if opens else builder.end(node)
        yield from builder.take()
    builder.end_line()
    builder.end_lines()
    yield from builder.take()


def _events(root: Tag) -> Iterator[tuple[PageElement, bool]]:
    """Nodes below `root` in the order of the source; a tag comes when it opens and when it closes."""
    open_tags: list[tuple[Tag, Iterator[PageElement]]] = [(root, iter(root.children))]
    while open_tags:
        tag, children = open_tags[-1]
        child = next(children, None)
        if child is None:
            open_tags.pop()
            yield tag, False
            continue
        yield child, True
        if isinstance(child, Tag):
            open_tags.append((child, iter(child.children)))


class _Builder:
    """Blocks from tags that open and close. A list or a table is one block, a line for each item or row."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._lines: list[str] = []
        self._cells: list[Cell] = []
        """Of the open row."""
        self._rows = Rows()
        self._inline: list[str] = []
        self._numbers: list[int] = []
        """For each open list the number of its next item, negative where items have none."""
        self._marker = ""
        self._tables = 0
        self._pre = 0
        self._level = 0

    def take(self) -> list[Block]:
        blocks, self._blocks = self._blocks, []
        return blocks

    def text(self, node: NavigableString) -> None:
        if (
            node.parent
            and node.parent.name == "sup"
            and node.strip()[:1].isdigit()
            and self._inline
            and self._inline[-1][-1:].isdigit()
        ):
            self._inline.append("^")  # "10^3", "£5^1": what is raised is no figure of the number before it
        if not isinstance(node, PreformattedString):  # comments, doctypes and processing instructions
            self._inline.append(str(node) if self._pre else re.sub(r"\s+", " ", node))

    def start(self, tag: Tag) -> None:
        if tag.name == "br" or (self._pre and tag.name in _BLOCKS):
            self._inline.append("\n")
        elif tag.name in _BLOCKS:
            self.end_line()
            self._open(tag)
        self._pre += tag.name == "pre"

    def end(self, tag: Tag) -> None:
        if tag.name in _BLOCKS and self._pre <= (tag.name == "pre"):
            self.end_line()
            self._close(tag.name)
        self._pre -= tag.name == "pre" and self._pre > 0

    def _open(self, tag: Tag) -> None:
        name = tag.name
        if name in _HEADINGS:
            self._end_row()
            self.end_lines()
            self._level = _HEADINGS[name]
        elif name in _LISTS and not self._tables:
            self._numbers.append(_first_number(tag) if name == "ol" else -1)
        elif name == "li":
            self._marker = self._next_marker()
        elif name in ("table", "tr"):
            self._end_row()
            self._tables += name == "table"
            self._rows = Rows() if name == "table" else self._rows
        elif name in ("td", "th") and self._tables:
            self._cells.append(Cell([], name == "th", _span(tag, "rowspan"), _span(tag, "colspan")))

    def _close(self, name: str) -> None:
        if name in _HEADINGS:
            self._level = 0
        elif name in _LISTS and not self._tables:
            self._numbers = self._numbers[:-1]
        elif name == "li":
            self._marker = ""
        elif name in ("table", "tr", "caption"):
            self._end_row()
            self._tables -= name == "table" and self._tables > 0
            self._rows = Rows() if name == "table" else self._rows
        if not self._numbers and not self._tables:
            self.end_lines()

    def _next_marker(self) -> str:
        if not self._numbers or self._numbers[-1] < 0:
            return "- "
        self._numbers[-1] += 1
        return f"{self._numbers[-1] - 1}. "

    def end_line(self) -> None:
        """What stands inline so far becomes a paragraph, or a part of the open heading, cell or list item."""
        text = "".join(self._inline)
        self._inline = []
        if not text.strip():
            return
        if not self._pre:
            text = _squeeze(text)
        if self._level:
            self._blocks.append(Block(text, self._level))
            self._level = 0  # the heading may never be closed
        elif self._tables:
            self._cells = self._cells or [Cell([])]
            self._cells[-1].words.extend(text.split())
        elif self._numbers:
            indent = "  " * min(len(self._numbers) - 1, DEEPEST_INDENT)
            self._lines.append(indent + (self._marker or "  ") + text.strip())
            self._marker = ""
        else:
            self._blocks.append(Block(self._marker + text))
            self._marker = ""

    def _end_row(self) -> None:
        if any(cell.words for cell in self._cells):
            self._lines.append(self._rows.line(self._cells))
        self._cells = []

    def end_lines(self) -> None:
        self._end_row()
        if self._lines:
            self._blocks.append(Block("\n".join(self._lines)))
        self._lines = []


def _first_number(tag: Tag) -> int:
    start = str(tag.get("start", "1"))
    return int(start) if re.fullmatch("[0-9]{1,9}", start) else 1


def _span(tag: Tag, name: str) -> int:
    """How many rows or columns a cell fills."""
    given = str(tag.get(name, "1"))
    return min(MOST_SPANNED, int(given)) if re.fullmatch("[1-9][0-9]{0,5}", given) else 1


def _squeeze(text: str) -> str:
    """Single spaces; the line breaks that are left are those of <br>."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
