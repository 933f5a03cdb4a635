"""Converts documents and checks to response schemas; answers have a JSON of their own."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from rag.render.view import explain
from rag.server import schemas
from rag.session import Answered
from rag.structure import sections
from rag.types import Document, Json

M = TypeVar("M", bound=BaseModel)


def _response_from(model: type[M], value: object, /, **extra: Any) -> M:
    """A response with the value's fields of the same names, and others."""
    names = [name for name in model.model_fields if name not in extra and hasattr(value, name)]
    return model(**{name: getattr(value, name) for name in names}, **extra)


def answer(answered: Answered, asked: str = "", written: Json | None = None) -> Json:
    """The answer with its explanation; `asked` is a follow-up as it was typed, `written` what a
    language model wrote.
    """
    explained = {"explain": explain(answered.answer), "written": written}
    return {**answered.to_dict(asked), **explained}


def document(document: Document) -> schemas.DocumentSchema:
    return _response_from(schemas.DocumentSchema, document, uri=document.uri)


def document_detail(document: Document) -> schemas.DocumentDetailSchema:
    outline = [
        schemas.SectionSchema(start=section.start, headings=list(section.path))
        for section in sections(document.blocks)
    ]
    size = len(document.text)
    detail = schemas.DocumentDetailSchema
    return _response_from(detail, document, uri=document.uri, characters=size, sections=outline)
