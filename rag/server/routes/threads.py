"""`/v1/threads`: the questions and answers that the page keeps for a key."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from rag.errors import InputError, NotFoundError
from rag.server.openapi import described
from rag.server.rights import Right, needs
from rag.server.schemas import Strict
from rag.server.sources import listing_of
from rag.server.state import Shared, caller_of
from rag.server.thread_store import StoredThread, ThreadStore, forget_answers

router = APIRouter(prefix="/v1/threads", tags=["questions"])
Identifier = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_CHARACTERS_A_SECOND = 400_000
"""Characters that cost as much as a second of computing."""
_DEEPEST = 50
"""Levels of lists and objects in a turn; answers have fewer than ten."""


class WireThread(BaseModel):
    id: str
    title: str
    updated: float = Field(description="Unix time in seconds.")
    questions: int


class WireThreads(BaseModel):
    threads: list[WireThread] = Field(description="The latest first.")


class WireTurns(WireThread):
    turns: list[dict[str, Any]]


class PutThread(Strict):
    """A thread. Of its turns `question` and `answer`, as returned by `/v1/ask`, are used; other
    fields are kept for the client.
    """

    title: str = Field(max_length=1000)
    turns: list[dict[str, Any]] = Field(min_length=1, max_length=200)


@router.get("", name="list_threads", responses=described(503))
@needs(Right.READ)
def list_threads(
    request: Request,
    service: Shared,
    search: Annotated[str, Query(max_length=200, description="Words of a thread.")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> WireThreads:
    """The key's own threads."""
    threads = ThreadStore(service.settings.index).listed(_key(request), search, limit)
    return WireThreads(threads=[WireThread(**asdict(thread)) for thread in threads])


@router.get("/{thread}", name="get_thread", responses=described(404, 503))
@needs(Right.READ)
def get_thread(thread: Identifier, request: Request, service: Shared) -> WireTurns:
    """A thread, without answers that quote documents which no longer exist."""
    store = ThreadStore(service.settings.index)
    stored = store.get(_key(request), thread)
    if stored is None:
        raise NotFoundError(f"no thread {thread}", "list the threads with: GET /v1/threads")
    present = {source.id for source in listing_of(service.engine.store).sources}
    if forget_answers(stored.turns, lambda document_id: document_id not in present):
        store.put(_key(request), stored)
    return WireTurns(**_facts(stored), turns=stored.turns)


@router.put("/{thread}", name="put_thread", responses=described(503, 507))
@needs(Right.READ)
def put_thread(
    thread: Identifier, body: PutThread, request: Request, service: Shared
) -> WireThread:
    """Keep a thread; of a key's threads the latest 500 are kept, of 20 million characters at most.
    No other key sees it.
    """
    _check_depth(body.turns)
    caller_of(request).charge(len(str(body.turns)) / _CHARACTERS_A_SECOND)
    stored = StoredThread(thread, body.title, time.time(), body.turns)
    ThreadStore(service.settings.index).put(_key(request), stored)
    return WireThread(**_facts(stored))


@router.delete("/{thread}", name="delete_thread", responses=described(404, 503))
@needs(Right.READ)
def delete_thread(thread: Identifier, request: Request, service: Shared) -> dict[str, bool]:
    """Delete a thread."""
    if not ThreadStore(service.settings.index).delete(_key(request), thread):
        raise NotFoundError(f"no thread {thread}", "list the threads with: GET /v1/threads")
    return {"deleted": True}


def _check_depth(turns: list[dict[str, Any]]) -> None:
    """Raises InputError for turns that are nested too deeply to be read again."""
    level: list[object] = [turns]
    for _ in range(_DEEPEST):
        level = [part for value in level for part in _parts(value)]
    if level:
        message = f"the turns are nested more than {_DEEPEST} levels deep"
        raise InputError(message, "send answers as /v1/ask returns them")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _key(request: Request) -> str:
    key: str = request.state.exchange.key
    return key


def _facts(thread: StoredThread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "title": thread.title,
        "updated": thread.updated,
        "questions": len(thread.turns),
    }
