"""One function per tool, which takes an agent's arguments and returns text and fields.

An unanswered question and an unknown document are results, not errors. Errors are for invalid
arguments; their text says what to do instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, TypeVar

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from rag.answering.explain import explain
from rag.answering.verification import Cited, verify
from rag.claims.results import Checked
from rag.render.cited import NEAREST, cited, where
from rag.server.answer_service import AskOptions
from rag.server.conversation import Exchanged
from rag.server.mcp import tool_schemas, tool_text
from rag.server.mcp.index_access import IndexAccess, near_ids
from rag.server.schemas import Form, Line, Options
from rag.types import Hit

T = TypeVar("T", bound=BaseModel)

Question = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        description="A complete question that can be understood on its own.",
    ),
]
Filters = Annotated[
    list[Line],
    Field(
        max_length=20,
        description="Conditions that documents must all meet: type=pdf, author!=Ada, "
        "year>=2024, "
        "source:reports/2024, document=notes/a.md, page>=2.",
    ),
]
DocumentId = Annotated[
    str, Field(min_length=1, max_length=2000, description="A document id from another tool.")
]
Place = Annotated[int, Field(ge=0, le=10**9)]
Quote = Annotated[str, Field(min_length=1, max_length=100_000)]


class ToolTurn(BaseModel):
    """An earlier question and its answer."""

    question: str = Field(max_length=10_000)
    answer: str | None = Field(default=None, max_length=100_000)
    documents: list[Line] = Field(
        default=[], max_length=50, description="The ids of the documents that it cites."
    )


def result(made: BaseModel, said: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=said)], structured_content=made.model_dump()
    )


def as_json(made: BaseModel) -> CallToolResult:
    """The fields also as JSON text, as OpenAI's connectors expect of `search` and `fetch`."""
    fields = made.model_dump()
    said = json.dumps(fields, ensure_ascii=False)
    return CallToolResult(content=[TextContent(type="text", text=said)], structured_content=fields)


def ask(
    library: IndexAccess,
    question: str,
    filters: Sequence[str],
    passages: int | None,
    turns: Sequence[ToolTurn],
    form: Form | None,
) -> CallToolResult:
    before = [Exchanged(turn.question, turn.answer, tuple(turn.documents)) for turn in turns]
    done = library.ask(question, before, AskOptions(filters=list(filters), k=passages, form=form))
    answer, shown = done.answer, cited(done.answer)
    made = tool_schemas.AskResult(
        found=answer.text is not None,
        form=answer.form,
        answer=answer.text,
        text=shown.text,
        confidence=answer.confidence,
        abstention_reason=answer.abstention_reason,
        question=done.question,
        note=done.note,
        citations=[_cited(mark.number, mark.citation, library) for mark in shown.marks],
        nearest=[] if answer.text else [_passage(hit, library) for hit in answer.hits[:NEAREST]],
    )
    return result(made, tool_text.asked(made))


def _cited(number: int, citation: object, library: IndexAccess) -> tool_schemas.CitedSentence:
    fields = {
        name: getattr(citation, name)
        for name in tool_schemas.CitedSentence.model_fields
        if hasattr(citation, name)
    }
    link = library.link(fields["document_id"], fields["start"], fields["end"])
    return tool_schemas.CitedSentence(number=number, url=link, **fields)


def _passage(hit: Hit, library: IndexAccess) -> tool_schemas.ToolPassage:
    passage = hit.passage
    return tool_schemas.ToolPassage(
        document_id=passage.document_id,
        title=passage.title,
        heading=passage.heading,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        score=hit.score,
        url=library.link(passage.document_id, passage.start, passage.end),
    )


def search(library: IndexAccess, query: str, limit: int, filters: Sequence[str]) -> CallToolResult:
    hits = library.search(query, Options(filters=list(filters), k=limit))
    return as_json(tool_schemas.SearchResult(results=[_hit(hit, library) for hit in hits]))


def _hit(hit: Hit, library: IndexAccess) -> tool_schemas.SearchHit:
    passage = hit.passage
    return tool_schemas.SearchHit(
        id=f"{passage.document_id}#char={passage.start},{passage.end}",
        title=where(passage),
        url=library.link(passage.document_id, passage.start, passage.end),
        text=passage.text,
        document_id=passage.document_id,
        heading=passage.heading,
        start=passage.start,
        end=passage.end,
        score=hit.score,
    )


def verify_quote(
    library: IndexAccess,
    document_id: str,
    quote: str,
    start: int,
    end: int,
    sentence: str,
    sha256: str,
) -> CallToolResult:
    found = verify(library, Cited(document_id, start, end, quote, sha256, sentence))
    made = tool_schemas.Verified(
        **{name: getattr(found, name) for name in tool_schemas.Verified.model_fields}
    )
    return result(made, tool_text.verified(made))


_MOST_EVIDENCE = 3


def check_claims(library: IndexAccess, claims: str, filters: Sequence[str]) -> CallToolResult:
    report = library.check(claims, filters)
    made = tool_schemas.CheckedClaims(
        claims=[_claim(one, library) for one in report.sentences], counts=report.counts
    )
    return result(made, tool_text.checked(made))


def _claim(one: Checked, library: IndexAccess) -> tool_schemas.CheckedClaim:
    evidence = [
        tool_schemas.ClaimEvidence(
            document_id=found.citation.document_id,
            title=found.citation.title,
            quote=found.citation.quote,
            start=found.citation.start,
            end=found.citation.end,
            says=found.says,
            probability=found.probability,
            url=library.link(found.citation.document_id, found.citation.start, found.citation.end),
        )
        for found in one.evidence[:_MOST_EVIDENCE]
    ]
    fields = {
        name: getattr(one, name)
        for name in tool_schemas.CheckedClaim.model_fields
        if name != "evidence"
    }
    return tool_schemas.CheckedClaim(evidence=evidence, **fields)


def why(
    library: IndexAccess, question: str, filters: Sequence[str], passages: int | None
) -> CallToolResult:
    done = library.ask(question, (), Options(filters=list(filters), k=passages))
    answer = done.answer
    rows = [
        {
            "document_id": hit.passage.document_id,
            "start": hit.passage.start,
            "end": hit.passage.end,
            "text": hit.passage.text,
            "score": hit.score,
            "dense_rank": hit.dense_rank,
            "lexical_rank": hit.lexical_rank,
        }
        for hit in answer.hits
    ]
    made = tool_schemas.Why(
        found=answer.text is not None,
        question=done.question,
        explanation=explain(replace(answer, question=done.question)),
        passages=rows,
    )
    return result(made, tool_text.why(made))


def ingest(library: IndexAccess, name: str, content: str) -> CallToolResult:
    outcome, documents, detail = library.ingest(name, content)
    made = tool_schemas.Ingested(name=name, outcome=outcome, document_ids=documents, detail=detail)
    return result(made, tool_text.ingested(made))


def delete(library: IndexAccess, document_id: str) -> CallToolResult:
    deleted = library.delete(document_id)
    meant = [] if deleted else near_ids(library, document_id)
    detail = (
        f"{document_id} is deleted and will not be used in answers any more."
        if deleted
        else tool_text.not_there(document_id, meant)
    )
    made = tool_schemas.DeletedDocument(
        deleted=deleted, document_id=document_id, detail=detail, did_you_mean=meant
    )
    return result(made, detail)
