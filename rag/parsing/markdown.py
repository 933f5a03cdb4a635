"""Markdown: CommonMark with tables and YAML front matter, through markdown-it-py."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from rag.parsing import markdown_tables
from rag.parsing.base import BOLD, Parsed, Part, join, level_of_bold, list_part, one_line
from rag.parsing.html import fragment
from rag.parsing.latex_tables import latex_parts
from rag.parsing.tables import UNIT, table_part

_FRONT_MATTER = re.compile(
    r"\A---[ \t]*(?:\r\n?|\n)(.*?)(?:\r\n?|\n)---[ \t]*(?:\r\n?|\n|\Z)", re.DOTALL
)
_LATEX_HEADING = re.compile(r"\\(?P<level>(?:sub){0,2}section)\*?\{(?P<name>[^{}]+)\}")
"""A paragraph that is a heading, as converters of pages write it beside Markdown."""
_LONGEST_CAPTION = 120
_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_BLOCKS = markdown_tables.enable(
    MarkdownIt("commonmark", {"maxNesting": sys.maxsize})
    .enable("table")
    .disable(["inline", "text_join"])
)
_INLINE = MarkdownIt("commonmark").enable("strikethrough")
"""Two parsers with different options: `maxNesting` silently drops blocks nested deeper (20 means
ten lists), so the block parser has no limit; in inline text it only keeps deeper marks as text, and
without a limit "[[[[" would recurse."""


def parse(source: str) -> Parsed:
    """A Markdown source with its blocks; formatting marks are removed."""
    metadata, body = _front_matter(source)
    references: dict[str, Any] = {}
    tokens = _BLOCKS.parse(body, references)
    for token in tokens:
        if token.type == "inline":
            inline = _INLINE.parseInline(token.content, references)
            token.children = inline[0].children

    found: list[Part] = []
    for node in SyntaxTreeNode(tokens).children:
        found += _parts(node)
    parts = list(_with_captions(found))

    if "title" not in metadata:
        heading = _first_heading(parts)
        if heading:
            metadata["title"] = heading
    text, blocks = join(parts)
    return Parsed(text, blocks, metadata)


def _first_heading(parts: Iterable[Part]) -> str:
    """The text of the first heading; "" without one."""
    for part in parts:
        heading = one_line(part.text)
        if heading and 0 < part.level < BOLD:
            return heading
    return ""


def _with_captions(parts: Sequence[Part]) -> Iterator[Part]:
    """Name a table by the short paragraph above it, if that states the unit of its figures."""
    for part_above, part in pairwise([Part(""), *parts]):
        is_table = bool(part.blocks) and part.blocks[0].kind == "table"
        if is_table and _is_caption(part_above):
            name = one_line(part_above.text)
            yield replace(part, context=(name, *part.context))
        else:
            yield part


def _is_caption(part: Part) -> bool:
    """Whether the part is a short paragraph that states a unit."""
    if part.blocks:
        return False
    text = part.text.strip()
    return len(text) <= _LONGEST_CAPTION and UNIT.search(text) is not None


def _front_matter(source: str) -> tuple[dict[str, str], str]:
    """Metadata as it is written (a date stays "2025-11-03", "no" stays "no"), and the text."""
    match = _FRONT_MATTER.match(source)
    if not match:
        return {}, source
    try:
        fields: Any = yaml.load(match.group(1), yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):  # such as "\UFFFFFFFF"
        return {}, source
    if not isinstance(fields, dict):
        return {}, source

    metadata: dict[str, str] = {}
    for key, value in fields.items():
        metadata[_scalar(key)] = _value(value)
    metadata = {key: value for key, value in metadata.items() if value}
    return metadata, source[match.end() :]


def _value(value: Any) -> str:
    """A value as text: a list by commas, without deeper values, which aliases make endless."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(filter(None, map(_scalar, items)))


def _scalar(value: Any) -> str:
    """A value as text; "" for a list, an object or nothing."""
    if not isinstance(value, str) or value in ("null", "~"):
        return ""
    return value.encode("utf-8", "replace").decode()  # YAML can escape half a surrogate pair


def _parts(node: SyntaxTreeNode) -> Iterator[Part]:
    """The parts of a block, by its type."""
    if node.type == "heading":
        level = int(node.tag[1])
        yield Part(_text_of_node(node), level)
    elif node.type in ("bullet_list", "ordered_list"):
        yield list_part(_items(node, 0))
    elif node.type == "table":
        yield _table(node)
    elif node.type == "blockquote":
        for child in node.children:
            yield from _parts(child)
    elif node.type == "html_block":
        yield from fragment(node.content, has_unmarked_headers=True)
    elif node.type == markdown_tables.LATEX_TABLE:
        yield from latex_parts(node.content)
    elif node.type in ("fence", "code_block"):
        yield Part(node.content, kind="code")
    else:
        yield _paragraph(node)


def _table(node: SyntaxTreeNode) -> Part:
    """A table, whose first row CommonMark calls the header."""
    rows: list[list[str]] = []
    for part in node.children:
        for row in part.children:
            rows.append([one_line(_text_of_node(cell)) for cell in row.children])
    return table_part(rows, headed=True)


def _paragraph(node: SyntaxTreeNode) -> Part:
    """A paragraph, which may be a heading in LaTeX or in bold."""
    text = _text_of_node(node)
    section = _LATEX_HEADING.fullmatch(text)
    if section:
        level = 2 + section["level"].count("sub")
        return Part(section["name"], level)
    if _is_bold(node):
        return Part(text, level_of_bold(text))
    return Part(text)


def _is_bold(node: SyntaxTreeNode) -> bool:
    """Whether all text of a paragraph is in one pair of bold marks."""
    types: list[str] = []
    for line in node.children:
        for part in line.children:
            is_blank = part.type == "text" and not part.content.strip()
            if not is_blank:
                types.append(part.type)
    return types == ["strong"]


def _items(node: SyntaxTreeNode, depth: int) -> Iterator[tuple[int, str, str]]:
    """The lines of a list as (depth, marker or "", text)."""
    first_number = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, first_number):
        marker = f"{number}." if node.type == "ordered_list" else "-"
        for child in item.children:
            if child.type in ("bullet_list", "ordered_list"):
                yield from _items(child, depth + 1)
            else:
                texts = [part.text.strip("\n") for part in _parts(child)]
                yield depth, marker, "\n".join(texts)
            marker = ""  # only the first text of an item has it


def _text_of_node(node: SyntaxTreeNode) -> str:
    """The text of a node, without marks."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        return "\n" if _BREAK.match(node.content) else ""
    if node.type == "s":
        return ""
    return "".join(_text_of_node(child) for child in node.children)
