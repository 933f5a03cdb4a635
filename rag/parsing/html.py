"""HTML, through lxml (libxml2): headings, paragraphs, lists, definitions and tables of the main
part of a page.

libxml2 parses any source in linear time and closes elements that HTML allows to stay open. It
limits nesting to 2,048 elements: deeper pages are parsed again without grouping tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from lxml import etree

from rag.parsing import furniture
from rag.parsing.base import DEEPEST_INDENT, MOST_NAMES, Block, Parsed, join
from rag.parsing.furniture import BLOCKS, HEADINGS, REMARKS, UNSEEN, Weights, classes
from rag.parsing.tables import MOST_SPANNED, Cell, Rows

_LISTS = ("ul", "ol", "menu")
_METADATA = {
    "date": ("date", "dc.date", "article:published_time", "dcterms.created"),
    "author": ("author", "dc.creator", "article:author"),
    "description": ("description", "og:description"),
    "keywords": ("keywords",),
}
_END_OF_PAGE = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
"""Browsers read what follows these tags; libxml2 does not."""
_NO_CHARACTER = re.compile("[\ud800-\udfff]")
_LONG_TAG = re.compile(r"<([a-zA-Z][\w:-]*)[^<>]{5000,}")
"""libxml2 needs quadratic time for a tag's attributes; long ones are images or script data."""
_GROUPING_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|cite|code|em|font|i|q|s|small"
    r"|span|strong|sub|sup|tt|u|label)(?:\s[^<>]*)?>",
    re.I,
)
_GROUPING = re.compile(
    r"</?(?!(?:p|br|li|tr|td|th|dt|dd|h[1-6]|title|head"
    r"|body|html|script|style|meta|pre|hr|textarea)\b)[a-zA-Z][^<>]*>",
    re.I,
)
_WHITE = re.compile(r"\s+")


def parse(source: str, keep_furniture: bool = False) -> Parsed:
    """Text of a page with sections and metadata: its main part, or its only <article> if that
    contains most of the text, without scripts and deleted text, and without boilerplate (see
    `furniture`) unless `keep_furniture`.

    Forms are boilerplate unless they contain a heading or most of the text. A page that would be
    all boilerplate is kept whole.
    """
    page = tree(source)
    if page is None:
        return Parsed("")
    metadata = _metadata(page)
    whole = Weights(page)
    for drop in (
        []
        if keep_furniture
        else [furniture.Selection(whole), furniture.Selection(whole, all_forms=True)]
    ):
        text, sections = join(_blocks(drop.root, drop))
        if text:
            return Parsed(text, sections, metadata, left_out=max(0, whole.text(page) - drop.kept))
    return Parsed(*join(_blocks(page, furniture.nothing)), metadata)


def fragment(source: str) -> Iterator[Block]:
    """Blocks of HTML within another format; all visible text."""
    root = tree(source)
    return iter(()) if root is None else _blocks(root, furniture.nothing)


def tree(source: str) -> Any:
    """Root element without comments and processing instructions; None for an empty source."""
    source = _NO_CHARACTER.sub("\ufffd", source)
    source = _END_OF_PAGE.sub("", _LONG_TAG.sub(r"<\1 ", source)).replace("\0", "\ufffd")
    simpler: list[Callable[[str], str]] = [
        lambda given: given,
        lambda given: _GROUPING_INLINE.sub("", given),
        lambda given: _GROUPING.sub("<br>", given),
    ]
    root = None
    for simplify in simpler:
        root, is_whole = _parsed(simplify(source))
        if is_whole:
            break
    return root


def _parsed(source: str) -> tuple[Any, bool]:
    parser = etree.HTMLParser(
        huge_tree=True, remove_comments=True, remove_pis=True, no_network=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(source.encode(), parser)
    except etree.ParserError:  # an empty document
        return None, True
    except etree.XMLSyntaxError:
        root = None
    too_deep = any("depth" in entry.message for entry in parser.error_log)
    return root, not too_deep


def _metadata(page: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    given = {
        (tag.get("name") or tag.get("property") or "").lower(): tag.get("content")
        for tag in page.iter("meta")
        if tag.get("content")
    }
    for key, names in _METADATA.items():
        value = next((given[name].strip() for name in names if given.get(name, "").strip()), "")
        found |= {key: value} if value else {}
    language = next((tag.get("lang") for tag in page.iter("html") if tag.get("lang")), "")
    found |= {"language": language} if language else {}
    title = next((" ".join("".join(tag.itertext()).split()) for tag in page.iter("title")), "")
    if not title:
        named = next(
            (block.text for block in _blocks(page, furniture.nothing) if block.level == 1), ""
        )
        title = " ".join(named.split())
    return found | ({"title": title} if title else {})


def _blocks(root: Any, drop: Callable[[Any], bool]) -> Iterator[Block]:
    """Blocks below `root`, without the elements that `drop` selects."""
    builder = _Builder()
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = element.tag
        if event == "start":
            if name in UNSEEN or drop(element):
                walk.skip_subtree()
                builder.skipped = element
                continue
            builder.start(name, element)
            if element.text:
                builder.text(element.text, name)
        else:
            if builder.skipped is element:
                builder.skipped = None
                if name in BLOCKS:
                    builder.end_line()
            else:
                builder.end(name, element)
            if element.tail and element is not root:
                builder.text(element.tail, "")
        if builder.blocks:
            yield from builder.take()
    builder.end_line()
    builder.end_lines()
    yield from builder.take()


class _Builder:
    """Builds blocks from opening and closing tags. A list or a table is one block, with a line per
    item or row.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.skipped: Any = None
        """the element being skipped"""
        self._lines: list[str] = []
        self._cells: list[Cell] = []
        """cells of the open row"""
        self._rows = Rows()
        self._inline: list[str] = []
        self._numbers: list[int] = []
        """next item number of each open list, negative for unnumbered ones"""
        self._terms: list[str] = []
        """current term of each open definition list, and caption of each figure"""
        self._is_named = False
        """the previous element was a term; a term directly after it is a synonym"""
        self._in = ""
        """the open naming element: "dt" or "caption" """
        self._marker = ""
        self._caption = ""
        """caption of the open table"""
        self._tables = 0
        self._pre = 0
        self._level = 0

    def take(self) -> list[Block]:
        blocks, self.blocks = self.blocks, []
        return blocks

    def text(self, text: str, parent: str) -> None:
        if (
            parent == "sup"
            and text.strip()[:1].isdigit()
            and self._inline
            and self._inline[-1][-1:].isdigit()
        ):
            self._inline.append(
                "^"
            )  # "10^3", "£5^1": keep superscripts apart from the number before them
        self._inline.append(text if self._pre else _WHITE.sub(" ", text))

    def start(self, name: str, tag: Any) -> None:
        if name == "br" or (self._pre and name in BLOCKS):
            self._inline.append("\n")
        elif name in BLOCKS:
            self.end_line()
            self._open(name, tag)
        self._pre += name == "pre"

    def end(self, name: str, tag: Any) -> None:
        if name in BLOCKS and self._pre <= (name == "pre"):
            self.end_line()
            self._close(name, tag)
        self._pre -= name == "pre" and self._pre > 0

    def _open(self, name: str, tag: Any) -> None:
        self._in = name if name in ("dt", "caption") else self._in
        self._is_named = self._is_named and name != "dd"
        if name in HEADINGS and not (
            tag.getparent() is not None and classes(tag.getparent()) & REMARKS
        ):
            self._end_row()
            self.end_lines()
            self._level = HEADINGS[name]
        elif name in _LISTS and not self._tables:
            self._numbers.append(_first_number(tag) if name == "ol" else -1)
        elif name == "li":
            self._marker = self._next_marker()
        elif _names_its_content(name, tag) and not self._tables:
            self._terms.append("" if name == "dl" else _caption(tag))
        elif name in ("table", "tr"):
            self._end_row()
            self._tables += name == "table"
            if name == "table":
                self._rows, self._caption = Rows(), ""
        elif name in ("td", "th") and self._tables:
            self._cells.append(Cell([], name == "th", _span(tag, "rowspan"), _span(tag, "colspan")))

    def _close(self, name: str, tag: Any) -> None:
        if name in HEADINGS:
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
        if name == "table":
            self._caption = ""
        if _names_its_content(name, tag) and not self._tables:
            self._terms = self._terms[:-1]
        self._in = "" if name == self._in else self._in

    def _next_marker(self) -> str:
        if not self._numbers or self._numbers[-1] < 0:
            return "- "
        self._numbers[-1] += 1
        return f"{self._numbers[-1] - 1}. "

    def end_line(self) -> None:
        """Turn the collected inline text into a paragraph, or a part of the open heading, cell or
        list item.
        """
        text = "".join(self._inline)
        self._inline = []
        if not text.strip():
            return
        if not self._pre:
            text = _squeeze(text)
        if self._level:
            self.blocks.append(Block(text, self._level))
            self._level = 0  # the heading may never be closed
        elif self._tables:
            self._caption = text if self._in == "caption" else self._caption
            if self._in == "caption" and not self._cells:
                self._lines.append(" ".join(text.split()))
                return
            self._cells = self._cells or [Cell([])]
            self._cells[-1].words.extend(text.split())
        elif self._numbers:
            indent = "  " * min(len(self._numbers) - 1, DEEPEST_INDENT)
            self._lines.append(indent + (self._marker or "  ") + text.strip())
            self._marker = ""
        else:
            if self._in == "dt" and self._terms:
                self._terms[-1] = (
                    f"{self._terms[-1]}, {text}" if self._is_named else text.rstrip(" :")
                )
                self._is_named = True
            self._block(self._marker + text)
            self._marker = ""

    def _block(self, text: str) -> None:
        names = [*self._terms[-MOST_NAMES:], self._caption]
        self.blocks.append(Block(text, context=tuple(filter(None, names))))

    def _end_row(self) -> None:
        if any(cell.words for cell in self._cells):
            self._lines.append(self._rows.line(self._cells))
        self._cells = []

    def end_lines(self) -> None:
        self._end_row()
        if self._lines:
            self._block("\n".join(self._lines))
        self._lines = []


def _names_its_content(name: str, tag: Any) -> bool:
    return name in ("dl", "figure") or (name == "div" and "literal-block-wrapper" in classes(tag))


def _caption(tag: Any) -> str:
    """Caption of a figure, or of a listing in Sphinx."""
    found = (
        e
        for e in tag.iter("figcaption", "div")
        if e.tag == "figcaption" or "code-block-caption" in classes(e)
    )
    caption = next(found, None)
    if caption is None:
        return ""
    return "".join(text for text in islice(caption.itertext(), 50) if text not in ("¶", "\uf0c1"))


def _first_number(tag: Any) -> int:
    start = tag.get("start", "1")
    return int(start) if re.fullmatch("[0-9]{1,9}", start) else 1


def _span(tag: Any, name: str) -> int:
    """Number of rows or columns that a cell spans."""
    given = tag.get(name, "1")
    return min(MOST_SPANNED, int(given)) if re.fullmatch("[1-9][0-9]{0,5}", given) else 1


def _squeeze(text: str) -> str:
    """Collapse spaces; the remaining line breaks come from <br>."""
    lines: Iterable[str] = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
