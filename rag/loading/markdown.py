"""Markdown: CommonMark with tables and YAML front matter, through markdown-it-py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from rag.loading.blocks import Block, join
from rag.types import Section

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, metadata) of a Markdown source; marks that only format are left out of the text."""
    metadata, body = _front_matter(source)
    tree = SyntaxTreeNode(_PARSER.parse(body))
    text, sections = join(block for node in tree.children for block in _blocks(node))
    if "title" not in metadata:
        first = next((node for node in tree.children if node.type == "heading"), None)
        if first is not None:
            metadata["title"] = " ".join(_inline(first).split())
    return text, sections, metadata


def _front_matter(source: str) -> tuple[dict[str, str], str]:
    match = _FRONT_MATTER.match(source)
    if not match:
        return {}, source
    try:
        found: Any = yaml.safe_load(match.group(1))
    except yaml.YAMLError:
        return {}, source
    if not isinstance(found, dict):
        return {}, source
    return {str(key): str(value) for key, value in found.items() if value is not None}, source[match.end() :]


def _blocks(node: SyntaxTreeNode) -> Iterator[Block]:
    if node.type == "heading":
        yield Block(_inline(node), int(node.tag[1]))
    elif node.type in ("bullet_list", "ordered_list"):
        yield Block("\n".join(_items(node, "")))
    elif node.type == "table":
        yield Block("\n".join(" | ".join(_inline(cell) for cell in row.children) for row in _rows(node)))
    elif node.type == "blockquote":
        yield from (block for child in node.children for block in _blocks(child))
    elif node.type == "html_block":
        yield Block(_TAG.sub(" ", node.content))
    elif node.type in ("fence", "code_block"):
        yield Block(node.content)
    else:
        yield Block(_inline(node))


def _items(node: SyntaxTreeNode, indent: str) -> Iterator[str]:
    first = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, first):
        marker = f"{number}." if node.type == "ordered_list" else "-"
        for index, child in enumerate(item.children):
            if child.type in ("bullet_list", "ordered_list"):
                yield from _items(child, indent + "  ")
            else:
                text = "\n".join(block.text for block in _blocks(child))
                yield f"{indent}{marker} {text}" if index == 0 else f"{indent}  {text}"


def _rows(table: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    for part in table.children:
        yield from part.children


def _inline(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        return ""
    return "".join(_inline(child) for child in node.children)
