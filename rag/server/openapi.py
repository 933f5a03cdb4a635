"""The description of the API in /openapi.json."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from rag import __version__
from rag.server.problems import MEDIA_TYPE, DifyError, OpenAIError, Problem
from rag.server.schemas import TextDocument

_SUMMARY = """Answers quoted from your documents, with their sources; or `null` with a reason.

Offsets count Unicode code points of the document's text (`GET /v1/documents/{id}/text`), and
every end is exclusive. A JavaScript string counts UTF-16 units: take `Array.from(text)`.

Without API keys, the service answers only this machine. With keys send `Authorization: Bearer
KEY`; a read-only key may do everything but change documents.

Errors are problem details (RFC 9457), of these statuses:

- 400: the request is not valid HTTP or JSON.
- 401: no API key, or an invalid or revoked one.
- 403: a read-only key, or a page of another site.
- 404: not found.
- 408: the body arrived too slowly.
- 409: the index is empty, or the name belongs to another document.
- 412: `If-Match` or `If-None-Match` does not hold.
- 413: the body is too large.
- 415: unsupported media type.
- 421: without API keys, the service answers only this machine.
- 422: the request does not match this description; OpenAI's paths answer 400.
- 429: too many requests with this key; `Retry-After` says when.
- 503: overloaded, loading, closing, or past the deadline; `Retry-After` says when to try again.
- 507: the disk of the index is full."""
Responses = dict[int | str, dict[str, Any]]
NOT_MODIFIED: Responses = {304: {"description": "The client has the current version."}}
_TAGS = {
    "questions": "Ask and search.",
    "proofs": "Certificates, bundles, and their check.",
    "documents": "Add, read and delete documents.",
    "collections": "Separate indexes that share no data.",
    "operations": "Health, readiness and metrics.",
    "openai": "The documents through OpenAI's API, with errors in its format.",
    "integrations": "The APIs of other applications.",
}
_FILES = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
_FORM = {"type": "object", "required": ["file"], "properties": {"file": _FILES}}
_TEXT = {"$ref": "#/components/schemas/TextDocument"}
_BODY = {"multipart/form-data": {"schema": _FORM}, "application/json": {"schema": _TEXT}}
ONE_FILE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
}
UPLOAD: dict[str, Any] = {"requestBody": {"required": True, "content": _BODY}}


def content(media_type: str) -> Responses:
    """Responses that are a text or file of this type, beside the endpoint's own."""
    return {200: {"content": {media_type: {"schema": {"type": "string"}}}}}


EVENTS = content("text/event-stream")


def errors(model: type[BaseModel]) -> Responses:
    """The errors of an API, in its format."""
    media = MEDIA_TYPE if model is Problem else "application/json"
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"default": {"description": "An error.", "content": {media: {"schema": reference}}}}


class Description:
    """The description of an application as JSON, made once, in a thread, when it is first asked
    for: it takes half a second, and needs no key.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = anyio.Lock()
        self._made = b""

    async def read(self) -> bytes:
        async with self._lock:
            if not self._made:
                self._made = await anyio.to_thread.run_sync(self._make_body)
        return self._made

    def _make_body(self) -> bytes:
        return bytes(JSONResponse(self._app.openapi()).body)


def schema(app: FastAPI) -> dict[str, Any]:
    """FastAPI's schema, with the schemas of errors, and the API key."""
    tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
    document = get_openapi(
        title="rag", version=__version__, description=_SUMMARY, routes=app.routes, tags=tags
    )
    components = document["components"]
    for model in (Problem, OpenAIError, DifyError, TextDocument):
        definition = model.model_json_schema(ref_template="#/components/schemas/{model}")
        components["schemas"] |= {**definition.pop("$defs", {}), model.__name__: definition}
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document
