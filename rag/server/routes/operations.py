"""The page, the API's description, and operators' endpoints: `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from rag import __version__
from rag.server import static
from rag.server.auth import Right, needs
from rag.server.openapi import content
from rag.server.state import Shared

router = APIRouter(tags=["operations"])


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


@router.get("/health")
@needs(Right.OPEN)
def health() -> Health:
    """Whether the process is alive."""
    return Health()


@router.get("/ready")
@needs(Right.OPEN)
def ready(request: Request, service: Shared) -> Ready:
    """Whether the service can answer: the index is open and the models are warm."""
    stats = service.engine.store.stats()
    if request.app.state.service.keys.all():
        return Ready()
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
def schema(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/", include_in_schema=False)
@needs(Right.OPEN)
def page() -> HTMLResponse:
    return HTMLResponse(static.HTML, headers={"Content-Security-Policy": static.POLICY})
