"""OpenAI request bodies. Unnamed fields are ignored; docs/agents.md lists the named ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.server.schemas import Line

Text = Annotated[str, Field(max_length=100_000)]
Id = Annotated[str, Field(max_length=2000)]


class Loose(BaseModel):
    """Accepts unknown fields, since clients send many that have no meaning here."""

    model_config = ConfigDict(extra="ignore", strict=True)


class RagOptions(Loose):
    """Options that OpenAI's API has no field for."""

    filters: list[Line] = Field(default=[], max_length=20, examples=[["type=md"]])
    top_k: int | None = Field(default=None, ge=1, le=100, description="Passages to find.")


class ContentPart(Loose):
    """A part of a message; only text is used."""

    type: str = Field(max_length=100)
    text: Text | None = None


class Message(Loose):
    role: str = Field(max_length=100, examples=["user"])
    content: Text | list[ContentPart] | None = Field(
        default=None, examples=["When was the JCPOA signed?"]
    )


class StreamOptions(Loose):
    include_usage: bool | None = False


class ResponseFormat(Loose):
    type: str = Field(max_length=100)


class Tool(Loose):
    """A tool that the client would run; none can be called."""

    type: str = Field(max_length=100, examples=["function"])


class ChatRequest(Loose):
    model: str = Field(default="rag", max_length=200, examples=["rag"])
    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Tool] | None = Field(default=None, max_length=1000)
    functions: list[Any] | None = Field(default=None, max_length=1000)
    tool_choice: Any = None
    response_format: ResponseFormat | None = None
    rag: RagOptions | None = Field(
        default=None, description="Filters and the number of passages; rag's own."
    )


class TextFormat(Loose):
    format: ResponseFormat | None = None


class FileSearch(Loose):
    """A `file_search` tool: which vector store to search, and how."""

    type: str = Field(max_length=100)
    vector_store_ids: list[Id] | None = Field(default=None, max_length=100)
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    filters: dict[str, Any] | None = None


class Item(Loose):
    """A message, or an item of an earlier response; only messages are used."""

    type: str | None = Field(default="message", max_length=100)
    role: str | None = Field(default=None, max_length=100)
    content: Text | list[ContentPart] | None = None


class ResponsesRequest(Loose):
    model: str = Field(default="rag", max_length=200, examples=["rag"])
    input: Text | list[Item] = Field(examples=["When was the JCPOA signed?"])
    stream: bool | None = False
    previous_response_id: Id | None = None
    conversation: Any = None
    background: bool | None = None
    text: TextFormat | None = None
    tools: list[FileSearch] | None = Field(default=None, max_length=200)
    tool_choice: Any = None
    metadata: dict[str, str] | None = None
    rag: RagOptions | None = Field(
        default=None, description="Filters and the number of passages; rag's own."
    )


class Ranking(Loose):
    ranker: str | None = Field(default=None, max_length=100)
    score_threshold: float | None = None


class VectorSearch(Loose):
    query: Text | list[Text] = Field(examples=["secret talks"])
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = Field(
        default=None, examples=[{"type": "eq", "key": "type", "value": "md"}]
    )
    ranking_options: Ranking | None = None
    rewrite_query: bool | None = False


class EmbeddingsRequest(Loose):
    model: str = Field(default="rag", max_length=200)
    input: Text | list[Text] = Field(examples=["a text", ["one", "another"]])
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None
    input_type: Literal["query", "passage"] | None = Field(
        default="passage",
        description="Embedders with prompts treat questions differently; rag's own.",
    )


class ErrorBody(BaseModel):
    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """OpenAI's error format."""

    error: ErrorBody


class DifyError(BaseModel):
    """Dify's error format."""

    error_code: int
    error_msg: str
