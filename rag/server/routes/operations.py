"""The page, the API's description, and operators' endpoints: `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from rag import __version__
from rag.server import static
from rag.server.auth import Right, needs
from rag.server.openapi import content
from rag.server.state import Shared
from rag.server.work import WorkRoute

router = APIRouter(tags=["operations"], route_class=WorkRoute)


class Health(BaseModel):
    status: str = "alive"
    version: str = __version__


class Ready(BaseModel):
    """Sizes are shown only while there are no keys, since the endpoint is public."""

    status: str = "ready"
    documents: int | None = None
    passages: int | None = None
    generation: int | None = None
    waiting_questions: int | None = None
    waiting_files: int | None = None


_ALIVE = Health().model_dump_json().encode()
_READY = Ready().model_dump_json().encode()
"""Anyone may ask for these, so they are prepared once."""


@router.get("/health", response_model=Health)
@needs(Right.OPEN)
async def health() -> Response:
    """Whether the process is alive."""
    return Response(_ALIVE, media_type="application/json")


@router.get("/ready", response_model=Ready)
@needs(Right.OPEN)
async def ready(request: Request, service: Shared) -> Any:
    """Whether the service can answer: the index is open and the models are warm."""
    store = service.engine.store
    if request.app.state.service.keys.all():
        return Response(_READY, media_type="application/json")
    stats = await anyio.to_thread.run_sync(store.stats)
    return Ready(
        documents=stats.documents,
        passages=stats.passages,
        generation=stats.generation,
        waiting_questions=service.models.depth,
        waiting_files=service.jobs.waiting,
    )


@router.get("/metrics", response_class=Response, responses=content("text/plain"))
@needs(Right.OPERATE)
def metrics(service: Shared) -> Response:
    """Metrics for Prometheus."""
    return Response(service.models.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False)
@needs(Right.OPEN)
async def schema(request: Request) -> Response:
    return Response(await request.app.state.description.read(), media_type="application/json")


@router.get("/", include_in_schema=False)
@needs(Right.OPEN)
async def page() -> HTMLResponse:
    return HTMLResponse(static.HTML, headers={"Content-Security-Policy": static.POLICY})
