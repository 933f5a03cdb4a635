"""OpenAI request bodies. Unnamed fields are ignored; docs/agents.md lists the named ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.server.schemas import Line, Text

Id = Annotated[str, Field(max_length=2000)]
Short = Annotated[str, Field(max_length=200)]


class Loose(BaseModel):
    """Accepts unknown fields, since clients send many that have no meaning here."""

    model_config = ConfigDict(extra="ignore", strict=True)


class RagOptions(Loose):
    """Options that OpenAI's API has no field for."""

    filters: list[Line] = Field(default=[], max_length=20, examples=[["type=md"]])
    top_k: int | None = Field(default=None, ge=1, le=100, description="Passages to find.")


class ContentPart(Loose):
    """A part of a message; only text is used."""

    type: Short
    text: Text | None = None


class Item(Loose):
    """A message, or an item of an earlier response; only messages are used."""

    type: Short | None = "message"
    role: Short | None = None
    content: Text | list[ContentPart] | None = Field(
        default=None, examples=["When was the JCPOA signed?"]
    )


class Message(Item):
    role: Short = Field(examples=["user"])


class StreamOptions(Loose):
    include_usage: bool | None = False


class ResponseFormat(Loose):
    type: Short


class Tool(Loose):
    """A tool that the client would run; none can be called."""

    type: Short = Field(examples=["function"])


class AnswerRequest(Loose):
    """Fields that both APIs of answers take."""

    model: Short = Field(default="rag", examples=["rag"])
    stream: bool | None = False
    tool_choice: Any = None
    rag: RagOptions | None = Field(default=None, description="rag's own: filters and top_k.")


class ChatRequest(AnswerRequest):
    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Tool] | None = Field(default=None, max_length=1000)
    functions: list[Any] | None = Field(default=None, max_length=1000)
    response_format: ResponseFormat | None = None


class TextFormat(Loose):
    format: ResponseFormat | None = None


class FileSearch(Tool):
    """A `file_search` tool: which vector store to search, and how."""

    vector_store_ids: list[Id] | None = Field(default=None, max_length=100)
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    filters: dict[str, Any] | None = None


class ResponsesRequest(AnswerRequest):
    input: Text | list[Item] = Field(examples=["When was the JCPOA signed?"])
    previous_response_id: Id | None = None
    conversation: Any = None
    background: bool | None = None
    text: TextFormat | None = None
    tools: list[FileSearch] | None = Field(default=None, max_length=200)
    metadata: dict[str, str] | None = None


class Ranking(Loose):
    score_threshold: float | None = None


class VectorSearch(Loose):
    query: Text | list[Text] = Field(examples=["secret talks"])
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = Field(
        default=None, examples=[{"type": "eq", "key": "type", "value": "md"}]
    )
    ranking_options: Ranking | None = None


class EmbeddingsRequest(Loose):
    model: Short = "rag"
    input: Text | list[Text] = Field(examples=["a text", ["one", "another"]])
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None
    input_type: Literal["query", "passage"] | None = Field(
        default="passage",
        description="Embedders with prompts treat questions differently; rag's own.",
    )
