"""`/v1/collections`: list, create, rename and delete collections, and ask several at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from rag.server import serialize
from rag.server.api_keys import Key
from rag.server.auth import Right, needs
from rag.server.collection_host import CollectionHost
from rag.server.problems import ServiceError
from rag.server.schemas import AnswerSchema, Options, Strict
from rag.server.state import Service, caller_of
from rag.server.work import WorkRoute
from rag.session import Understood
from rag.settings import DEFAULT_COLLECTION
from rag.store.collections import Collection

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=WorkRoute)
_MOST_LISTED = 20
CollectionName = Annotated[str, Field(min_length=1, max_length=63, examples=["contracts"])]


class CollectionSchema(BaseModel):
    name: str = Field(examples=["contracts"])
    created: str = Field(default="", description="Time of creation; empty for the default one.")


class CollectionsSchema(BaseModel):
    collections: list[CollectionSchema] = Field(description="Those the key may use; default first.")


class NewCollection(Strict):
    name: CollectionName


class AskSeveral(Options):
    question: str = Field(min_length=1, max_length=100_000, examples=["When does the lease end?"])
    collections: list[CollectionName] = Field(
        min_length=1, max_length=16, description="Collections to ask; `default` is the index's own."
    )


class CollectionAnswer(BaseModel):
    collection: str
    answer: AnswerSchema


class CollectionAnswers(BaseModel):
    question: str
    answers: list[CollectionAnswer] = Field(description="Answered ones first, by confidence.")


@router.get("")
@needs(Right.ANY)
def list_collections(request: Request) -> CollectionsSchema:
    """List the collections that the key may use."""
    entries = []
    if _may_use(request, DEFAULT_COLLECTION):
        entries.append(CollectionSchema(name=DEFAULT_COLLECTION))
    for collection in _host(request).registry.all():
        if _may_use(request, collection.id):
            entries.append(_collection_schema(collection))
    return CollectionsSchema(collections=entries)


@router.post("", status_code=201)
@needs(Right.MANAGE)
def create_collection(body: NewCollection, request: Request) -> CollectionSchema:
    """Create an empty collection. It has all paths, under `/v1/collections/NAME`."""
    return _collection_schema(_host(request).registry.create(body.name))


@router.post("/ask")
@needs(Right.ANY)
def ask_collections(body: AskSeveral, request: Request) -> CollectionAnswers:
    """Ask several collections. Their answers are ranked together; their indexes are separate."""
    names = list(dict.fromkeys(body.collections))
    caller = caller_of(request)
    understood = Understood(body.question)

    answers = []
    with ExitStack() as stack:
        services = [stack.enter_context(of_collection(name, request)) for name in names]
        questions = []
        for service in services:  # all are submitted before one is waited for
            questions += service.submit([understood], body, caller)

        for name, pending in zip(names, questions, strict=True):
            answered = understood.answered(pending.wait(pending.answer))
            answer = AnswerSchema.model_validate(serialize.answer(answered))
            answers.append(CollectionAnswer(collection=name, answer=answer))

    answers.sort(key=lambda result: (result.answer.answer is None, -result.answer.confidence))
    return CollectionAnswers(question=body.question, answers=answers)


@router.patch("/{name}")
@needs(Right.MANAGE)
def rename_collection(name: str, body: NewCollection, request: Request) -> CollectionSchema:
    """Rename a collection. Keys for it remain valid."""
    return _collection_schema(_host(request).rename(name, body.name))


@router.delete("/{name}")
@needs(Right.MANAGE)
def delete_collection(name: str, request: Request) -> CollectionSchema:
    """Delete a collection and every document in it. Keys for it do not apply to a later collection
    of the same name.
    """
    return _collection_schema(_host(request).delete(name))


@contextmanager
def of_collection(name: str, request: Request) -> Iterator[Service]:
    """The service of the collection with this name; `default` is the path's own. Raises
    ServiceError with 403 if it is forbidden, and if a key for some collections names an unknown
    one; NotFoundError.
    """
    collection = request.state.collection
    host = _host(request)
    if collection not in ("", DEFAULT_COLLECTION) and name in (DEFAULT_COLLECTION, collection):
        yield request.state.service  # its access is already checked
        return
    if not _may_use(request, host.id_of(name)):
        usable = [one.name for one in list_collections(request).collections]
        hint = f"it may use: {', '.join(usable[:_MOST_LISTED])}" if usable else "it may use none"
        message = f"there is no collection {name} that the key may use"
        raise ServiceError(403, "collection", message, hint)
    with host.opened(name) as service:
        yield service


def _host(request: Request) -> CollectionHost:
    host: CollectionHost = request.app.state.collections
    return host


def _may_use(request: Request, collection: str) -> bool:
    """Whether the request's key may use the collection with this id."""
    key: Key | None = request.state.key
    return key is None or key.may_use(collection)


def _collection_schema(collection: Collection) -> CollectionSchema:
    return CollectionSchema(name=collection.name, created=collection.created)
