"""Markdown: CommonMark with tables and YAML front matter, through markdown-it-py."""

import re
import sys
from collections.abc import Iterator, Sequence
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
            token.children = _INLINE.parseInline(token.content, references)[0].children
    parts = [part for node in SyntaxTreeNode(tokens).children for part in _parts(node)]
    parts = list(_captioned(parts))
    headings = (part.text for part in parts if 0 < part.level < BOLD and part.text.strip())
    first_heading = next(headings, None)
    if first_heading and "title" not in metadata:
        metadata["title"] = " ".join(first_heading.split())
    return Parsed(*join(parts), metadata)


def _captioned(parts: Sequence[Part]) -> Iterator[Part]:
    """Name a table by the short paragraph above it, if that states the unit of its figures."""
    for previous, part in pairwise([Part(""), *parts]):
        text = previous.text.strip()
        is_caption = not previous.blocks and len(text) <= _LONGEST_CAPTION and UNIT.search(text)
        is_table = bool(part.blocks) and part.blocks[0].kind == "table"
        yield (
            replace(part, context=(one_line(text), *part.context))
            if is_caption and is_table
            else part
        )


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
    values = {_scalar(key): _value(value) for key, value in fields.items()}
    return {key: value for key, value in values.items() if value}, source[match.end() :]


def _value(value: Any) -> str:
    """A value as text: a list by commas, without deeper values, which aliases make endless."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(filter(None, map(_scalar, items)))


def _scalar(value: Any) -> str:
    if not isinstance(value, str) or value in ("null", "~"):
        return ""
    return value.encode("utf-8", "replace").decode()  # YAML can escape half a surrogate pair


def _parts(node: SyntaxTreeNode) -> Iterator[Part]:
    if node.type == "heading":
        yield Part(_inline(node), int(node.tag[1]))
    elif node.type in ("bullet_list", "ordered_list"):
        yield list_part(_items(node, 0))
    elif node.type == "table":
        cells = (row.children for part in node.children for row in part.children)
        rows = [[" ".join(_inline(cell).split()) for cell in row] for row in cells]
        yield table_part(rows, headed=True)
    elif node.type == "blockquote":
        yield from (part for child in node.children for part in _parts(child))
    elif node.type == "html_block":
        yield from fragment(node.content, has_unmarked_headers=True)
    elif node.type == markdown_tables.LATEX_TABLE:
        yield from latex_parts(node.content)
    elif node.type in ("fence", "code_block"):
        yield Part(node.content, kind="code")
    elif section := _LATEX_HEADING.fullmatch(text := _inline(node)):
        yield Part(section["name"], 2 + section["level"].count("sub"))
    else:
        yield Part(text, level_of_bold(text) if _is_bold(node) else 0)


def _is_bold(node: SyntaxTreeNode) -> bool:
    """Whether all text of a paragraph is in one pair of bold marks."""
    parts = [part for part in node.children for part in part.children]
    filled = [part for part in parts if part.type != "text" or part.content.strip()]
    return [part.type for part in filled] == ["strong"]


def _items(node: SyntaxTreeNode, depth: int) -> Iterator[tuple[int, str, str]]:
    """The lines of a list as (depth, marker or "", text)."""
    first_number = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, first_number):
        marker = f"{number}." if node.type == "ordered_list" else "-"
        for index, child in enumerate(item.children):
            if child.type in ("bullet_list", "ordered_list"):
                yield from _items(child, depth + 1)
            else:
                text = "\n".join(part.text.strip("\n") for part in _parts(child))
                yield depth, "" if index else marker, text


def _inline(node: SyntaxTreeNode) -> str:
    """The text of a node, without marks."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        return "\n" if _BREAK.match(node.content) else ""
    if node.type == "s":
        return ""
    return "".join(_inline(child) for child in node.children)
