"""`/v1/collections`: list, create, rename and delete collections, and ask several at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from rag.server import serialize
from rag.server.api_keys import Key
from rag.server.collection_host import CollectionHost
from rag.server.openapi import described
from rag.server.problems import ServiceError
from rag.server.rights import Right, needs
from rag.server.schemas import Options, Strict, WireAnswer
from rag.server.state import Service, caller_of, wait
from rag.settings import DEFAULT_COLLECTION
from rag.store.collection_folders import Collection

router = APIRouter(prefix="/v1/collections", tags=["collections"])
Name = Annotated[str, Field(min_length=1, max_length=63, examples=["contracts"])]


class WireCollection(BaseModel):
    name: str = Field(examples=["contracts"])
    created: str = Field(default="", description="Time of creation; empty for the default one.")


class WireCollections(BaseModel):
    collections: list[WireCollection] = Field(
        description="The collections that the key may use, the default one first."
    )


class NewCollection(Strict):
    name: Name


class AskSeveral(Options):
    question: str = Field(min_length=1, max_length=100_000, examples=["When does the lease end?"])
    collections: list[Name] = Field(
        min_length=1, max_length=16, description="Collections to ask; `default` is the index's own."
    )


class CollectionAnswer(BaseModel):
    collection: str
    answer: WireAnswer


class CollectionAnswers(BaseModel):
    question: str
    answers: list[CollectionAnswer] = Field(
        description="One per collection, answered ones first, by confidence."
    )


def collections_of(request: Request) -> CollectionHost:
    host: CollectionHost = request.app.state.collections
    return host


async def _host(request: Request) -> CollectionHost:  # without a thread, as `Shared`
    return collections_of(request)


Host = Annotated[CollectionHost, Depends(_host)]


@router.get("", responses=described(503))
@needs(Right.ANY)
def list_collections(request: Request, host: Host) -> WireCollections:
    """List the collections that the key may use."""
    key: Key | None = request.state.key
    default = [WireCollection(name=DEFAULT_COLLECTION)] if _may(key, DEFAULT_COLLECTION) else []
    visible = [collection for collection in host.registry.all() if _may(key, collection.id)]
    return WireCollections(collections=default + [_shown(collection) for collection in visible])


@router.post("", status_code=201, responses=described(409, 503, 507))
@needs(Right.MANAGE)
def create_collection(body: NewCollection, host: Host) -> WireCollection:
    """Create an empty collection. Its paths are those of the default one, under
    `/v1/collections/NAME`.
    """
    return _shown(host.registry.create(body.name))


@router.post("/ask", responses=described(404, 409, 503))
@needs(Right.ANY)
def ask_collections(body: AskSeveral, request: Request, host: Host) -> CollectionAnswers:
    """Ask several collections the same question. Their answers are ranked together; their indexes
    stay separate.
    """
    names = list(dict.fromkeys(body.collections))
    caller = caller_of(request)
    with ExitStack() as stack:
        services = {name: entered(stack, request, host, name) for name in names}
        questions = {
            name: service.submit([body.question], body, caller)[0]
            for name, service in services.items()
        }
        answers = [
            CollectionAnswer(
                collection=name,
                answer=serialize.answer(wait(pending, pending.answer), pending.found.result()),
            )
            for name, pending in questions.items()
        ]
    answers.sort(key=lambda result: (result.answer.answer is None, -result.answer.confidence))
    return CollectionAnswers(question=body.question, answers=answers)


@router.patch("/{name}", responses=described(404, 409, 503, 507))
@needs(Right.MANAGE)
def rename_collection(name: str, body: NewCollection, host: Host) -> WireCollection:
    """Rename a collection. Keys for it remain valid."""
    return _shown(host.rename(name, body.name))


@router.delete("/{name}", responses=described(404, 503))
@needs(Right.MANAGE)
def delete_collection(name: str, host: Host) -> WireCollection:
    """Delete a collection and every document in it. Keys for it do not apply to a later collection
    of the same name.
    """
    return _shown(host.delete(name))


def entered(stack: ExitStack, request: Request, host: CollectionHost, name: str) -> Service:
    """Open a collection for a request. Raises ServiceError with 403 if the key may not use it;
    unknown collections get the same response.
    """
    key: Key | None = request.state.key
    collection = host.registry.get(name)
    if not _may(
        key,
        DEFAULT_COLLECTION
        if name == DEFAULT_COLLECTION
        else collection.id
        if collection
        else "none",
    ):
        hint = "list the collections it may use with: GET /v1/collections"
        raise ServiceError(403, "collection", f"the key may not use the collection {name}", hint)
    if name == DEFAULT_COLLECTION:
        default: Service = request.app.state.service
        return default
    service = host.enter(name)
    stack.callback(host.leave, name, service)
    return service


def _may(key: Key | None, collection: str) -> bool:
    return key is None or key.may_use(collection)


def _shown(collection: Collection) -> WireCollection:
    return WireCollection(name=collection.name, created=collection.created)
