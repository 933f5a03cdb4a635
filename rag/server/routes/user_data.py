"""What users leave in a collection. `/v1/feedback`: ratings of answers, which become gold questions
for `rag eval`. `/v1/threads`: the questions and answers that the page keeps for a key.
"""

from __future__ import annotations

import json
import time
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from rag.errors import InputError, NotFoundError
from rag.server.auth import Right, may_write, needs
from rag.server.openapi import content
from rag.server.routes.page_data import sources_of
from rag.server.schemas import Strict
from rag.server.state import Shared, caller_of
from rag.server.user_data import (
    Thread,
    ThreadStore,
    ThreadWithTurns,
    feedback_file,
    forget_answers,
    gold,
)
from rag.server.work import WorkRoute

router = APIRouter(prefix="/v1", route_class=WorkRoute)
_LINES = "application/x-ndjson"
_RATED_A_SECOND, _KEPT_A_SECOND = 4000, 400_000
"""Characters of ratings and of threads that cost as much as a second of computing, so that no key
can fill the shared files."""
_DEEPEST = 50
"""Levels of lists and objects in a turn; answers have fewer than ten."""
FeedbackText = Annotated[str, Field(max_length=10_000)]
ThreadIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class FeedbackEvidence(Strict):
    document: str = Field(min_length=1, max_length=2000, examples=["uploads/lease.md"])
    sentence: FeedbackText = Field(description="`cited_text` of the citation.")


class Feedback(Strict):
    """A user's rating of an answer."""

    question: str = Field(min_length=1, max_length=10_000, examples=["When does the lease end?"])
    verdict: Literal["right", "wrong", "not_in_the_documents"]
    answer: FeedbackText | None = Field(
        default=None, description="As shown.", examples=["31 May 2027"]
    )
    correction: FeedbackText | None = Field(
        default=None, description="The right answer to a wrong one."
    )
    evidence: list[FeedbackEvidence] = Field(
        default=[], max_length=20, description="The citations of a correct answer."
    )
    comment: FeedbackText = ""


class PutThread(Strict):
    """A thread. The service uses the fields `question` and `answer` of its turns, as returned by
    `/v1/ask`; it keeps other fields for the client.
    """

    title: str = Field(max_length=1000)
    turns: list[dict[str, Any]] = Field(min_length=1, max_length=200)


@router.post("/feedback", status_code=201, tags=["operations"])
@needs(Right.READ)
def add_feedback(body: Feedback, request: Request, service: Shared) -> dict[str, bool]:
    """Store a rating with its question on the service's disk. The latest rating of a question
    counts; a read-only key does not replace those of others.
    """
    line = {key: value for key, value in body.model_dump().items() if value not in (None, "", [])}
    caller, when = caller_of(request), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    caller.charge(len(str(line)) / _RATED_A_SECOND)
    facts = {"time": when, "key": caller.key_id, "may_write": may_write(request.state.key)}
    feedback_file(service.settings.index).add({**facts, **line})
    return {"noted": True}


@router.get(
    "/feedback", response_class=PlainTextResponse, responses=content(_LINES), tags=["operations"]
)
@needs(Right.WRITE)
def get_feedback(service: Shared) -> PlainTextResponse:
    """Gold questions made from the ratings, one JSON object per line, for `rag eval run FILE`."""
    questions = gold(feedback_file(service.settings.index).lines())
    lines = (json.dumps(question, ensure_ascii=False) + "\n" for question in questions)
    return PlainTextResponse("".join(lines), media_type=_LINES)


@router.get("/threads", tags=["questions"])
@needs(Right.READ)
def list_threads(
    request: Request,
    service: Shared,
    search: Annotated[str, Query(max_length=200, description="Words of a thread.")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, list[Thread]]:
    """The key's own threads, the latest first."""
    threads = ThreadStore(service.settings.index).listed(caller_of(request).key_id, search, limit)
    return {"threads": threads}


@router.get("/threads/{thread}", tags=["questions"])
@needs(Right.READ)
def get_thread(thread: ThreadIdPath, request: Request, service: Shared) -> ThreadWithTurns:
    """A thread, without answers that quote documents which no longer exist."""
    store = ThreadStore(service.settings.index)
    stored = store.get(caller_of(request).key_id, thread)
    if stored is None:
        raise _unknown_thread(thread)
    indexed_ids = {source.id for source in sources_of(service.engine.store)}
    if forget_answers(stored.turns, lambda document_id: document_id not in indexed_ids):
        store.put(caller_of(request).key_id, stored)
    return stored


@router.put("/threads/{thread}", tags=["questions"])
@needs(Right.READ)
def put_thread(thread: ThreadIdPath, body: PutThread, request: Request, service: Shared) -> Thread:
    """Keep a thread. A key has at most its latest 500 threads, of 20 million characters together.
    No other key sees them.
    """
    _check_depth(body.turns)
    caller_of(request).charge(len(str(body.turns)) / _KEPT_A_SECOND)
    stored = ThreadWithTurns(thread, body.title, time.time(), len(body.turns), body.turns)
    ThreadStore(service.settings.index).put(caller_of(request).key_id, stored)
    return stored


@router.delete("/threads/{thread}", tags=["questions"])
@needs(Right.READ)
def delete_thread(thread: ThreadIdPath, request: Request, service: Shared) -> dict[str, bool]:
    """Delete a thread."""
    if not ThreadStore(service.settings.index).delete(caller_of(request).key_id, thread):
        raise _unknown_thread(thread)
    return {"deleted": True}


def _unknown_thread(thread: str) -> NotFoundError:
    return NotFoundError(f"no thread {thread}", "list the threads with: GET /v1/threads")


def _check_depth(turns: list[dict[str, Any]]) -> None:
    """Raises InputError for turns that are nested too deeply to be read again."""
    level: list[Any] = [turns]
    for _ in range(_DEEPEST):
        groups = (value.values() if isinstance(value, dict) else value for value in level)
        level = [part for part in chain(*groups) if isinstance(part, (dict, list))]
    if level:
        message = f"the turns are nested more than {_DEEPEST} levels deep"
        raise InputError(message, "send answers as /v1/ask returns them")
