"""Descriptions of errors, events and uploads in /openapi.json."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from rag import __version__
from rag.server.error_shapes import error_model
from rag.server.openai_schemas import DifyError, ErrorBody, OpenAIError
from rag.server.problems import MEDIA_TYPE, Problem

_SUMMARY = """Answers quoted from your documents, with their sources; or `null` with a reason.

Offsets count Unicode code points of the document's text (`GET /v1/documents/{id}/text`), and
every end is exclusive. A JavaScript string counts UTF-16 units: take `Array.from(text)`. Errors
are problem details (RFC 9457).

Without API keys, the service answers only this machine. With keys send `Authorization: Bearer
KEY`; a read-only key may do everything but change documents."""
_EVERYWHERE = {
    400: "The request is not valid HTTP or JSON.",
    401: "No API key, or an invalid or revoked one.",
    403: "A read-only key, or a page of another site.",
    408: "The body arrived too slowly.",
    413: "The body is too large.",
    421: "Without API keys, the service answers only this machine.",
    422: "The request does not match this description.",
    429: "Too many requests with this key; `Retry-After` says when.",
    503: (
        "Overloaded, loading, closing, or past the deadline; `Retry-After` says when to try again."
    ),
}
_SOMEWHERE = {
    404: "Not found.",
    409: "The index is empty, or the name belongs to another document.",
    412: "`If-Match` or `If-None-Match` does not hold.",
    415: "Unsupported media type.",
    507: "The disk of the index is full.",
}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has the current version."}
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": "event: done\ndata: {}\n\n",
            }
        }
    }
}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                },
            },
            "application/json": {"schema": {"$ref": "#/components/schemas/TextDocument"}},
        },
    }
}


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The operation's own errors, in addition to the common ones."""
    descriptions = _EVERYWHERE | _SOMEWHERE
    return {status: _response(descriptions[status]) for status in sorted({*_EVERYWHERE, *statuses})}


def _response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def schema(app: FastAPI) -> dict[str, Any]:
    """FastAPI's schema, with problem details as errors, and the API key."""
    from rag.server.document_schemas import TextDocument

    document = get_openapi(
        title="rag", version=__version__, description=_SUMMARY, routes=app.routes, tags=_TAGS
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (Problem, TextDocument, ErrorBody, OpenAIError, DifyError):
        made_schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        made_schema.pop("$defs", None)
        schemas[model.__name__] = made_schema
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, description in _EVERYWHERE.items():
                if str(status) not in operation["responses"] or status == 422:
                    operation["responses"][str(status)] = _response(description)
            _reshape(operation["responses"], path)
    return document


def _reshape(responses: dict[str, Any], path: str) -> None:
    """Document errors as `error_shapes` sends them: OpenAI's clients get 400 instead of 422, and no
    problem details.
    """
    model = error_model(path)
    if model is None:
        return
    if model is OpenAIError:
        responses.pop("422")
    for status, answer in responses.items():
        if int(status) >= 400:
            answer["content"] = {
                "application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
            }


_TAGS = [
    {"name": "questions", "description": "Ask and search."},
    {"name": "documents", "description": "Add, read and delete documents."},
    {"name": "collections", "description": "Separate indexes that share no data."},
    {"name": "operations", "description": "Health, readiness and metrics."},
    {
        "name": "openai",
        "description": "The documents through OpenAI's API, with errors in its format.",
    },
    {"name": "integrations", "description": "The APIs of other applications."},
]
