"""PPTX, through python-pptx: a slide is a page under its title, followed by its notes."""

import io
from collections.abc import Iterator
from typing import Any

from pptx import Presentation

from rag.parsing.base import Parsed, Part, list_part, of_pages
from rag.parsing.metadata import core_metadata
from rag.parsing.tables import table_part


def parse(content: bytes) -> Parsed:
    """Text, slide titles as headings, metadata, and slides as pages."""
    show = Presentation(io.BytesIO(content))
    return of_pages(map(_slide, show.slides), core_metadata(show.core_properties))


def _slide(slide: Any) -> Iterator[Part]:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        yield Part(" ".join(title.text_frame.text.split()), 1)
    shapes = [s for s in _flat(slide.shapes) if title is None or s.shape_id != title.shape_id]
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        yield _shape(shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text
        yield Part(f"Notes: {notes}" if notes.strip() else "")


def _flat(shapes: Any) -> Iterator[Any]:
    """All shapes, including those in nested groups."""
    stack = list(shapes)[::-1]
    while stack:
        shape = stack.pop()
        if hasattr(shape, "shapes"):
            stack += list(shape.shapes)[::-1]
        else:
            yield shape


def _shape(shape: Any) -> Part:
    if getattr(shape, "has_table", False) and shape.has_table:
        rows = ([cell for cell in row.cells if not cell.is_spanned] for row in shape.table.rows)
        texts = [[" ".join(cell.text_frame.text.split()) for cell in row] for row in rows]
        return table_part(texts, bool(shape.table.first_row))
    if not shape.has_text_frame:
        return Part("")
    paragraphs = shape.text_frame.paragraphs
    filled = [(p.text.replace("\v", "\n").strip(), p.level) for p in paragraphs if p.text.strip()]
    if len(filled) < 2:
        return Part("".join(text for text, _ in filled))
    return list_part((level, "-", text) for text, level in filled)
