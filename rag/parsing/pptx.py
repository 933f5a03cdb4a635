"""PPTX, through python-pptx: a slide is a page under its title, followed by its notes."""

import io
from collections.abc import Iterator
from typing import Any

from pptx import Presentation

from rag.parsing.base import Parsed, Part, list_part, of_pages, one_line
from rag.parsing.metadata import core_metadata
from rag.parsing.tables import table_part


def parse(content: bytes) -> Parsed:
    """Text, slide titles as headings, metadata, and slides as pages."""
    show = Presentation(io.BytesIO(content))
    slides = map(_slide, show.slides)
    return of_pages(slides, core_metadata(show.core_properties))


def _slide(slide: Any) -> Iterator[Part]:
    """The parts of a slide: its title, its shapes from the top, and its notes."""
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        yield Part(one_line(title.text_frame.text), 1)

    shapes = list(_all_shapes(slide.shapes))
    if title is not None:
        shapes = [shape for shape in shapes if shape.shape_id != title.shape_id]
    for shape in sorted(shapes, key=_place):
        yield _shape(shape)

    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text
        if notes.strip():
            yield Part(f"Notes: {notes}")


def _place(shape: Any) -> tuple[int, int]:
    """Where a shape is; one that says nothing is at the top left."""
    top = shape.top or 0
    left = shape.left or 0
    return top, left


def _all_shapes(shapes: Any) -> Iterator[Any]:
    """All shapes, including those in nested groups."""
    stack = list(shapes)[::-1]
    while stack:
        shape = stack.pop()
        is_group = hasattr(shape, "shapes")
        if is_group:
            stack += list(shape.shapes)[::-1]
        else:
            yield shape


def _shape(shape: Any) -> Part:
    """The part of a shape: a table, a list or a paragraph; an empty one for a picture."""
    has_table = getattr(shape, "has_table", False)
    if has_table:
        return _table(shape.table)
    if not shape.has_text_frame:
        return Part("")

    items: list[tuple[int, str, str]] = []
    for paragraph in shape.text_frame.paragraphs:
        text = paragraph.text.replace("\v", "\n").strip()
        if text:
            items.append((paragraph.level, "-", text))
    if len(items) < 2:
        return Part("".join(text for _, _, text in items))
    return list_part(items)


def _table(table: Any) -> Part:
    """A table; a cell that spans others has its text in the first of them."""
    rows: list[list[str]] = []
    for row in table.rows:
        cells = [cell for cell in row.cells if not cell.is_spanned]
        rows.append([one_line(cell.text_frame.text) for cell in cells])
    return table_part(rows, headed=bool(table.first_row))
