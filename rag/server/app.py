"""The application: `create_app(settings)` assembles the parts; `rag serve` runs it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from rag import __version__
from rag.engine import Engine
from rag.server import openapi
from rag.server.auth import Access, RouteRights, origins
from rag.server.collection_host import CollectionHost
from rag.server.middleware import Admission, RequestGate
from rag.server.problems import Problem, respond
from rag.server.routes import (
    collection_routes,
    documents,
    gate,
    grids,
    integrations,
    mcp,
    openai,
    operations,
    page_data,
    proofs,
    questions,
    user_data,
)
from rag.server.state import DefaultService, open_engine
from rag.server.telemetry import spans_to
from rag.server.written import ServedWriter
from rag.settings import Settings

_SPARE_THREADS = 32
"""Threads for uploads, documents and the page, in addition to one per waiting question."""

_MODULES = (
    questions,
    proofs,
    documents,
    page_data,
    operations,
    openai,
    integrations,
    collection_routes,
    grids,
    user_data,
)


def create_app(
    settings: Settings,
    open_index: Callable[[Settings], Engine] = open_engine,
    on_failure: Callable[[BaseException], object] = lambda _: None,
    token: str = "",
) -> FastAPI:
    """The service for an index. Index and models are opened by a separate thread when it starts.

    `on_failure` is called if they cannot be opened. `token` is required while there are no API
    keys; "" requires none. Raises StoreError if uploads cannot be stored in the index folder, and
    InputError for an invalid origin.
    """
    service = DefaultService(settings, lambda: open_index(settings), on_failure)
    collections = CollectionHost(service)
    spans = spans_to(settings.traces)
    agents = mcp.McpEndpoint()
    threads = settings.queue + _SPARE_THREADS

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        service.start()
        collections.start()
        async with agents.running():
            yield
        service.stop()
        await anyio.to_thread.run_sync(collections.close)
        await anyio.to_thread.run_sync(service.close)
        if spans:
            await anyio.to_thread.run_sync(spans.close)

    access = Access(service.keys, settings.host, settings.rate, token)
    service.models.charge = access.rate.charge
    modules = (*_MODULES, gate) if settings.gate else _MODULES
    routes = [route for module in modules for route in module.router.routes]
    routes.append(Route(mcp.PATH, agents, include_in_schema=False))
    rights = RouteRights(routes)
    admission = Admission(threads, 2 * settings.max_upload_mb << 20)
    app = FastAPI(
        title="rag",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        responses=openapi.errors(Problem),
        # generated clients name their methods after it
        generate_unique_id_function=lambda route: route.name,
        exception_handlers={HTTPException: respond, RequestValidationError: respond},
        middleware=[
            Middleware(
                RequestGate,
                service=service,
                collections=collections,
                access=access,
                rights=rights,
                admission=admission,
                spans=spans,
                origins=origins(settings.cors_origins),
            )
        ],
    )
    app.state.service, app.state.collections, app.state.rights = service, collections, rights
    app.state.access = access
    app.state.writer = ServedWriter(settings)
    for module in modules:
        app.include_router(module.router)
    app.router.routes.append(routes[-1])
    app.openapi = functools.cache(lambda: openapi.schema(app))  # type: ignore[method-assign]
    app.state.description = openapi.Description(app)
    return app
