"""HTML, through lxml (libxml2): headings, paragraphs, lists, definitions and tables of the main
part of a page.

libxml2 parses any source in linear time and closes elements that HTML allows to stay open. It
limits nesting to 2,048 elements: deeper pages are parsed again without grouping tags.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from rag.parsing import html_furniture
from rag.parsing.base import Parsed, Part, encodable, join, one_line
from rag.parsing.html_blocks import PartBuilder, mark_headers
from rag.parsing.html_furniture import BLOCKS, UNSEEN
from rag.parsing.metadata import is_title

_METADATA = {
    "date": ("date", "dc.date", "article:published_time", "dcterms.created"),
    "author": ("author", "dc.creator", "article:author"),
    "description": ("description", "og:description"),
    "keywords": ("keywords",),
}
_END_OF_PAGE = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
"""Browsers read what follows these tags; libxml2 does not."""
_LONG_TAG = re.compile(r"<([a-zA-Z][\w:-]*)[^<>]{5000,}")
"""libxml2 needs quadratic time for a tag's attributes; long ones are images or script data."""
_GROUPING_INLINE = re.compile(
    r"(?i)</?(?:a|abbr|b|big|cite|code|em|font|i|q|s|small|span|strong|sub|sup|tt|u|label)"
    r"(?:\s[^<>]*)?>"
)
_GROUPING = re.compile(
    r"(?i)</?(?!(?:p|br|li|tr|td|th|dt|dd|h[1-6]|title|head|body|html|script|style|meta|pre|hr"
    r"|textarea)\b)[a-z][^<>]*>"
)


def parse(source: str, keep_furniture: bool = False) -> Parsed:
    """Text of a page with its structure and metadata: its main part, or its only <article> if that
    contains most of the text, without scripts and deleted text, and without boilerplate (see
    `html_furniture`) unless `keep_furniture`.

    Forms are boilerplate unless they contain a heading or most of the text. A page that would be
    all boilerplate is kept whole.
    """
    page = tree(source)
    if page is None:
        return Parsed("")

    metadata = _metadata(page)
    mark_headers(page, only_over_values=True)
    if not keep_furniture:
        content = _content(page, metadata)
        if content is not None:
            return content
    text, blocks = join(_parts(page))
    return Parsed(text, blocks, metadata)


def _content(page: Any, metadata: dict[str, str]) -> Parsed | None:
    """The page without boilerplate; None if all of it is."""
    weights = html_furniture.weights_of(page)
    for all_forms in (False, True):
        drop = html_furniture.Selection(page, weights, all_forms)
        text, blocks = join(_parts(drop.root, drop))
        if text:
            dropped = weights[page].text - drop.kept
            return Parsed(text, blocks, metadata, left_out=max(0, dropped))
    return None


def fragment(source: str, has_unmarked_headers: bool = False) -> Iterator[Part]:
    """Parts of HTML within another format; all visible text. If it `has_unmarked_headers`, as what
    OCR writes, headers of tables that have no <th> are found by their words.
    """
    root = tree(source)
    if root is None:
        return iter(())
    if has_unmarked_headers:
        mark_headers(root)
    return _parts(root)


def tree(source: str) -> Any:
    """Root element without comments and processing instructions; None for an empty source."""
    source = _LONG_TAG.sub(r"<\1 ", encodable(source))
    source = _END_OF_PAGE.sub("", source)
    root, is_whole = _parsed(source)
    for tags, replacement in ((_GROUPING_INLINE, ""), (_GROUPING, "<br>")):
        if not is_whole:
            root, is_whole = _parsed(tags.sub(replacement, source))
    return root


def _parsed(source: str) -> tuple[Any, bool]:
    """The root, and whether the tree has all of the source."""
    parser = etree.HTMLParser(
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
        no_network=True,
        encoding="utf-8",
    )
    try:
        root = etree.fromstring(source.encode(), parser)
    except etree.ParserError:  # an empty document
        return None, True
    except etree.XMLSyntaxError:
        root = None
    is_too_deep = any("depth" in entry.message for entry in parser.error_log)
    return root, not is_too_deep


def _metadata(page: Any) -> dict[str, str]:
    """What the page says about itself; its title is that of the file, or else its heading."""
    contents: dict[str, str] = {}
    for tag in page.iter("meta"):
        content = tag.get("content")
        if content:
            name = tag.get("name") or tag.get("property") or ""
            contents[name.lower()] = content.strip()

    metadata: dict[str, str] = {}
    for key, names in _METADATA.items():
        values = (contents.get(name, "") for name in names)
        metadata[key] = next(filter(None, values), "")

    languages = (tag.get("lang") for tag in page.iter("html"))
    metadata["language"] = next(filter(None, languages), "")
    metadata["title"] = _title(page)
    return {key: value for key, value in metadata.items() if value}


def _title(page: Any) -> str:
    """The title that the file states, or else its first heading of the first level."""
    element = next(page.iter("title"), None)
    title = "" if element is None else one_line("".join(element.itertext()))
    if is_title(title):
        return title

    for part in _parts(page):
        heading = one_line(part.text) if part.level == 1 else ""
        if heading:
            return heading
    return ""


def _parts(root: Any, drop: Callable[[Any], bool] = lambda element: False) -> Iterator[Part]:
    """Parts below `root`, without the elements that `drop` selects."""
    builder = PartBuilder()
    skipped = None
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = element.tag
        if event == "start":
            if name in UNSEEN or drop(element):
                walk.skip_subtree()
                skipped = element
                continue
            builder.start(name, element)
            if element.text:
                builder.text(element.text, name)
        else:
            if skipped is not element:
                builder.end(name, element)
            elif name in BLOCKS:
                builder.end_line()
            if element.tail and element is not root:
                builder.text(element.tail, "")
        if builder.parts:
            yield from builder.take()

    builder.end_line()
    builder.end_lines()
    yield from builder.take()
