"""HTML: headings, paragraphs, lists and tables of the main part of a page, through Beautiful Soup."""

from __future__ import annotations

from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, NavigableString

from rag.loading.blocks import Block, join
from rag.types import Section

_DROPPED = [
    "script",
    "style",
    "template",
    "noscript",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "button",
    "svg",
    "head",
]
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    (
        "address article blockquote body dd details div dl dt fieldset figcaption figure html li main ol p pre "
        "section summary table tr ul"
    ).split()
) | set(_HEADINGS)
_METADATA = ("date", "author", "description", "keywords")


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, metadata) of a page: its <main> or only <article> if it has one, without navigation and scripts."""
    page = BeautifulSoup(source, "html.parser")
    metadata = _metadata(page)
    articles = page.find_all("article")
    root = page.find("main") or (articles[0] if len(articles) == 1 else None) or page
    for tag in root.find_all(_DROPPED):
        if not (tag.name == "header" and tag.find(list(_HEADINGS))):
            tag.decompose()
    text, sections = join(_blocks(root))
    return text, sections, metadata


def _metadata(page: BeautifulSoup) -> dict[str, str]:
    found = {name: str(tag["content"]) for name in _METADATA if (tag := page.find("meta", {"name": name, "content": True}))}
    titles = [" ".join(tag.get_text().split()) for tag in (page.find("title"), page.find("h1")) if tag]
    return found | ({"title": titles[0]} if titles and titles[0] else {})


def _blocks(root: Tag) -> Iterator[Block]:
    """Block elements in order; runs of inline content between them are paragraphs."""
    run: list[str] = []
    for child in root.children:
        if not isinstance(child, Tag):
            run.append("" if isinstance(child, Comment) else str(child))
        elif child.name == "br":
            run.append("\n")
        elif child.name in _BLOCKS or child.find(list(_BLOCKS)):
            yield Block(_squeeze("".join(run)))
            run = []
            yield from _element(child)
        else:
            run.append(_text(child))
    yield Block(_squeeze("".join(run)))


def _element(tag: Tag) -> Iterator[Block]:
    if tag.name in _HEADINGS:
        yield Block(_squeeze(_text(tag)), _HEADINGS[tag.name])
    elif tag.name in ("ul", "ol"):
        items = tag.find_all("li", recursive=False)
        yield Block("\n".join("- " + _squeeze(_text(item), " ") for item in items))
    elif tag.name == "table":
        rows = ([_squeeze(_text(cell), " ") for cell in row.find_all(["td", "th"])] for row in tag.find_all("tr"))
        yield Block("\n".join(" | ".join(cells) for cells in rows if any(cells)))
    elif tag.name == "pre":
        yield Block(tag.get_text())
    else:
        yield from _blocks(tag)


def _text(tag: Tag) -> str:
    parts = []
    for node in tag.descendants:
        if isinstance(node, NavigableString) and not isinstance(node, Comment):
            parts.append(str(node))
        elif isinstance(node, Tag) and node.name in _BLOCKS | {"br"}:
            parts.append("\n")
    return "".join(parts)


def _squeeze(text: str, newline: str = "\n") -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return newline.join(line for line in lines if line)
