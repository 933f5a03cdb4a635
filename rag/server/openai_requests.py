"""Reads requests in OpenAI's format: the collection, the question, earlier turns and the filter.
docs/agents.md lists the fields that have an effect; others are ignored.

Raises InputError or ServiceError for options that are unsupported but must not be ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rag.answering.suggestions import REPLY
from rag.errors import InputError
from rag.server.problems import ServiceError
from rag.server.schemas import Id, LineText, Loose, Options, ShortText, Text, Turn, has_few_fields
from rag.settings import DEFAULT_COLLECTION

MODEL = "rag"
InContext = tuple[str, tuple[Turn, ...]]
"""A question and the turns before it."""
_MARKER = re.compile(r" ?\[\d{1,3}\]")
_NOT_FOUND = "Not found in the documents"
_COMPARE = {"eq": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MOST_CONDITIONS = 20
_LONGEST_CONDITION = 490
"""Characters of a key and its value."""
_DEEPEST = 5
"""Filters in filters: most levels."""
_LIST_LIMIT = Field(max_length=1000, fail_fast=True)
"""Lists have a maximum length, and those in lists end at the first error: a million errors would
take seconds.
"""
MOST_TEXTS = 512
"""Texts to embed at a time."""
_SOURCE = re.compile(r"^\[\d{1,3}\] ([^“\n]{1,2500}): “", re.MULTILINE)
_MOST_DOCUMENTS = 50


class RagOptions(Loose):
    """Options that OpenAI's API has no field for."""

    filters: list[LineText] = Field(default=[], max_length=20, examples=[["type=md"]])
    top_k: int | None = Field(default=None, ge=1, le=100, description="Passages to find.")


class ContentPart(Loose):
    """A part of a message; only text is used."""

    type: ShortText
    text: Text | None = None


class Item(Loose):
    """A message, or an item of an earlier response; only messages are used."""

    type: ShortText | None = "message"
    role: ShortText | None = None
    content: Text | Annotated[list[ContentPart], _LIST_LIMIT] | None = Field(
        default=None, examples=["When was the JCPOA signed?"]
    )


class Message(Item):
    role: ShortText = Field(examples=["user"])


class StreamOptions(Loose):
    include_usage: bool | None = False


class Kind(Loose):
    """A tool that the client would run, of which none can be called; or a format."""

    type: ShortText = Field(examples=["function"])


class AnswerRequest(Loose):
    """Fields that both APIs of answers take."""

    model: ShortText = Field(default="rag", examples=["rag"])
    stream: bool | None = False
    tool_choice: Any = None
    rag: RagOptions | None = Field(default=None, description="rag's own: filters and top_k.")


class ChatRequest(AnswerRequest):
    messages: list[Message] = Field(min_length=1, max_length=1000, fail_fast=True)
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Kind] | None = Field(default=None, max_length=1000)
    functions: list[Any] | None = Field(default=None, max_length=1000)
    response_format: Kind | None = None


class TextFormat(Loose):
    format: Kind | None = None


class FileSearch(Kind):
    """A `file_search` tool: which vector store to search, and how."""

    vector_store_ids: list[Id] | None = Field(default=None, max_length=100)
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    filters: dict[str, Any] | None = None


class ResponsesRequest(AnswerRequest):
    input: Text | Annotated[list[Item], _LIST_LIMIT] = Field(
        examples=["When was the JCPOA signed?"]
    )
    previous_response_id: Id | None = None
    conversation: Any = None
    background: bool | None = None
    text: TextFormat | None = None
    tools: list[FileSearch] | None = Field(default=None, max_length=200)
    metadata: Annotated[dict[str, str] | None, BeforeValidator(has_few_fields)] = None


class Ranking(Loose):
    score_threshold: float | None = None


class VectorSearch(Loose):
    query: Text | Annotated[list[Text], Field(max_length=8)] = Field(examples=["secret talks"])
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = Field(
        default=None, examples=[{"type": "eq", "key": "type", "value": "md"}]
    )
    ranking_options: Ranking | None = None


class EmbeddingsRequest(Loose):
    model: ShortText = "rag"
    input: Text | Annotated[list[Text], Field(max_length=MOST_TEXTS)] = Field(
        examples=["a text", ["one", "another"]]
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None
    input_type: Literal["query", "passage"] | None = Field(
        default="passage", description="Embedders with prompts treat questions differently."
    )


def collection_of_model(model: str) -> str:
    """Collection of a model name: `rag`, or `rag:NAME`."""
    name, _, collection = model.partition(":")
    if name != MODEL:
        raise no_model(model, f"use {MODEL}; GET /v1/models lists all")
    return collection or DEFAULT_COLLECTION


def no_model(model: str, hint: str) -> ServiceError:
    return ServiceError(404, "model_not_found", f"there is no model {model[:100]!r} here", hint)


def chat_question(body: ChatRequest) -> InContext:
    if (body.n or 1) != 1:
        raise InputError(f"n = {body.n} is not supported: there is one answer", "leave n out")

    kinds = []
    for tool in body.tools or []:
        kinds.append(tool.type)
    for _ in body.functions or []:
        kinds.append("function")
    _check(kinds, body.tool_choice, body.response_format)

    messages = []
    for message in body.messages:
        messages.append((message.role, _text(message.content)))
    return asked_in(messages)


def responses_question(body: ResponsesRequest) -> InContext:
    if body.previous_response_id or body.conversation:
        message = "responses are not stored and cannot be continued"
        raise InputError(message, "send the earlier turns as items of input")
    if body.background:
        raise InputError("background responses are not supported", "leave background out")

    kinds = [tool.type for tool in body.tools or [] if tool.type != "file_search"]
    _check(kinds, body.tool_choice, body.text.format if body.text else None)
    if isinstance(body.input, str):
        return body.input, ()

    messages = []
    for item in body.input:
        if (item.type or "message") == "message":
            messages.append((item.role or "user", _text(item.content)))
    return asked_in(messages)


def _check(kinds: Sequence[str], choice: Any, format: Kind | None) -> None:
    """Raises InputError for tools, unless the client says that none may be called."""
    if kinds and choice != "none":
        raise InputError(
            f"tools of the type {kinds[0]!r} are not supported: rag answers from the documents",
            'leave tools out, or send "tool_choice": "none"; to give these answers to a model that '
            "calls tools, connect that model to /mcp",
        )
    if format and format.type != "text":
        message = f"answers in the format {format.type[:100]!r} are not supported"
        raise InputError(message, "leave the format out")


def asked_in(messages: Sequence[tuple[str, str]]) -> InContext:
    """The user's last message and the turns before it; system messages are ignored."""
    turns: list[Turn] = []
    earlier_turns: tuple[Turn, ...] = ()
    question = None
    for role, text in messages:
        if role == "user":
            question = text
            earlier_turns = tuple(turns)
            turns.append(Turn.model_construct(question=text))  # of any length
        elif role == "assistant" and turns and text.strip():
            turn = turns[-1]
            turn.answer = answer_in(text)
            turn.documents = documents_in(text)

    if question is None:
        raise InputError("no message has the role user", 'send {"role": "user", "content": "…"}')
    return question, earlier_turns


def answer_in(text: str) -> str | None:
    """The answer's words in a text made by `rag.render.cited`, without its marks and quotes."""
    if text.startswith((_NOT_FOUND, REPLY)):
        return None
    first_paragraph, _, _ = text.partition("\n\n")
    words = _MARKER.sub("", first_paragraph).strip()
    return words or None


def documents_in(text: str) -> list[str]:
    """Document ids in an answer's list of quotes, as written by `rag.render.cited`."""
    ids = []
    for source in _SOURCE.finditer(text):
        ids.append(_in_brackets(source[1]))
    return list(dict.fromkeys(ids))[:_MOST_DOCUMENTS]


def _in_brackets(place: str) -> str:
    """Content of the brackets at the end; the whole text if it does not end with brackets."""
    if not place.endswith(")"):
        return place

    depth = 0
    for start in range(len(place) - 1, -1, -1):
        if place[start] == ")":
            depth += 1
        elif place[start] == "(":
            depth -= 1
        if depth == 0:
            return place[start + 1 : -1]
    return place


def _text(content: str | Sequence[ContentPart] | None) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content

    texts = []
    for part in content:
        if part.text is None and part.type:
            message = f"a part of the type {part.type!r} cannot be read"
            raise InputError(message, "send text; upload files to /v1/documents")
        texts.append(part.text or "")
    return "\n".join(texts)


def filters_of(filter: dict[str, Any] | None) -> list[str]:
    """Conditions for a comparison filter, or several joined by "and"."""
    if not filter:
        return []
    conditions = list(_conditions(filter, 0))
    if len(conditions) > _MOST_CONDITIONS:
        message = f"{len(conditions)} conditions are more than {_MOST_CONDITIONS}"
        raise InputError(message, "send fewer")
    return conditions


def _conditions(filter: Any, depth: int) -> Iterable[str]:
    """The conditions of a filter, which may join others. Raises InputError for other types."""
    part = filter if isinstance(filter, dict) else {}
    kind = part.get("type")
    key = part.get("key")
    value = part.get("value")

    filters = part.get("filters")
    if kind == "and" and isinstance(filters, list) and depth < _DEEPEST:
        conditions: list[str] = []
        for nested in filters:
            conditions += _conditions(nested, depth + 1)
        return conditions

    if isinstance(value, list):
        if kind == "nin":
            return [_condition(key, "!=", item) for item in value]
        if kind == "in" and len(value) == 1:
            return [_condition(key, "=", value[0])]
    if kind in _COMPARE:
        return [_condition(key, _COMPARE[kind], value)]

    message = f"a filter of the type {str(kind)[:40]!r} is not supported"
    raise InputError(message, "use eq, ne, gt, gte, lt, lte, nin, joined by and")


def _condition(key: Any, op: str, value: Any) -> str:
    if isinstance(key, str) and isinstance(value, (str, int, float)):
        text = str(value)
        if isinstance(value, bool):
            text = text.lower()
        if len(key) + len(text) <= _LONGEST_CONDITION:
            return f"{key}{op}{text}"

    message = "a filter needs a key, and a value that is a text or a number"
    raise InputError(message, "for example type eq, key author")


def options_of(rag_options: RagOptions | None, tool: FileSearch | None = None) -> Options:
    """The options of both together; rag's own number of passages goes before the tool's."""
    filters: list[str] = []
    top_k = None
    if rag_options:
        filters += rag_options.filters
        top_k = rag_options.top_k
    if tool:
        filters += filters_of(tool.filters)
        top_k = top_k or tool.max_num_results
    return Options(filters=filters[:20], top_k=top_k)
