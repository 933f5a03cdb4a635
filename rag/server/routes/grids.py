"""`/v1/grids`: the same questions to every document, asked in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from rag.desk import bundle, grid_export, grid_run, proof
from rag.desk import grid as grids
from rag.desk.grid_file import definition
from rag.errors import BusyError, InputError
from rag.filters import is_date
from rag.ingestion.uploads import GRID
from rag.server import schemas
from rag.server.auth import Right, needs
from rag.server.collection_paths import prefixed
from rag.server.openapi import content
from rag.server.state import Service, Shared, caller_of
from rag.server.work import WorkRoute
from rag.types import plain

router = APIRouter(prefix="/v1", tags=["grids"], route_class=WorkRoute)
GridNamePath = Annotated[str, Path(min_length=1, max_length=100, description="The grid's name.")]
_XLSX_CELLS = 20_000
"""XLSX of more cells with their quotes takes minutes, and gigabytes of memory."""
_FILE = "application/octet-stream"
_WAIT = 20.0
_writing = threading.BoundedSemaphore(1)
"""Files are written one at a time, so that they leave memory to questions."""
StateName = Annotated[
    str, Query(max_length=20, description="Only rows with a cell in this state, or so rated.")
]
Words = Annotated[
    str, Query(max_length=1000, description="Only rows with a cell whose value contains this.")
]
_MEDIA = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "gold.jsonl": "application/x-ndjson",
    "zip": "application/zip",
}
MOST_BUNDLED = 64 << 20
"""Bytes of the documents in a bundle, which is made in memory."""


@contextmanager
def writing_a_file(request: Request) -> Iterator[None]:
    """Wait for the turn to write a large file, and charge it. Raises BusyError."""
    if not _writing.acquire(timeout=_WAIT):
        raise BusyError("other files are being written", "try again in a moment")
    try:
        with caller_of(request).charged():
            yield
    finally:
        _writing.release()


@router.post("/grids", status_code=202)
@needs(Right.WRITE)
def create_grid(
    body: schemas.GridBody, request: Request, service: Shared, response: Response
) -> schemas.GridJobSchema:
    """Keep a grid and ask its cells in the background; `Location` is the job's URL. A grid of this
    name gets the new definition; its answers stay where question and documents are the same.
    """
    spec = definition(body.model_dump(), "the grid")
    store = service.engine.store
    grids.rows_of(spec, store.documents())
    grids.save(store, spec)
    return _start(service, spec.name, request, response)


@router.get("/grids")
@needs(Right.READ)
def list_grids(service: Shared) -> schemas.GridsSchema:
    """List the grids with the states of their cells."""
    summaries = map(_summary, grids.summaries(service.engine.store))
    return schemas.GridsSchema(
        grids=[schemas.GridSummarySchema(**summary) for summary in summaries]
    )


@router.get("/grids/{name}")
@needs(Right.READ)
def get_grid(
    name: GridNamePath,
    service: Shared,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Rows.")] = 1000,
    state: StateName = "",
    value: Words = "",
) -> schemas.GridSchema:
    """Get a grid with its cells, also while they are asked. `rows` and `counts` are of the rows
    that `state` and `value` leave.
    """
    grid = grids.load(service.engine.store, name).narrowed(state, value)
    values = grid.to_dict(offset, limit)
    due_count = sum(cell.has_changed for cell in grid_run.due_cells(grid))
    job, cells = service.jobs.asking(f"{GRID}{name}"), values.pop("rows")
    return schemas.GridSchema(
        **{**values, **_summary(grid), "due": due_count, "job": job, "cells": cells}
    )


@router.delete("/grids/{name}")
@needs(Right.WRITE)
def delete_grid(name: GridNamePath, service: Shared) -> schemas.GridsSchema:
    """Delete a grid with its answers; returns those that remain."""
    grids.delete(service.engine.store, name)
    return list_grids(service)


@router.post("/grids/{name}/refresh", status_code=202)
@needs(Right.WRITE)
def refresh_grid(
    name: GridNamePath, request: Request, service: Shared, response: Response
) -> schemas.GridJobSchema:
    """Ask the cells of new and changed documents in the background."""
    grids.load(service.engine.store, name)
    return _start(service, name, request, response)


@router.get("/grids/{name}/changes")
@needs(Right.READ)
def list_grid_changes(
    name: GridNamePath,
    service: Shared,
    since: Annotated[str, Query(max_length=40, description="By default, the last look.")] = "",
) -> schemas.GridChangesSchema:
    """List the answers that changed, with the document that caused each change."""
    if since and not is_date(since):
        raise InputError(f"{since!r} is not a date", "write it as 2026-11-01")
    changes = grids.load(service.engine.store, name).changes(since)
    return schemas.GridChangesSchema(changes=[plain(change) for change in changes])


@router.post("/grids/{name}/looked")
@needs(Right.WRITE)
def look_at_grid(
    name: GridNamePath,
    service: Shared,
    until: Annotated[
        str, Query(max_length=40, description="`at` of the last change seen, by default now.")
    ] = "",
) -> schemas.GridChangesSchema:
    """Record that the changes up to a time were seen; returns them for the last time. Nothing else
    marks changes as seen.
    """
    if until and not is_date(until):
        raise InputError(f"{until!r} is not a date", "give the `at` of a change")
    until = min(until or grids.now(), grids.now())
    changes = [c for c in grids.load(service.engine.store, name).changes() if c.at <= until]
    grids.mark(service.engine.store, name, looked=until)
    return schemas.GridChangesSchema(changes=[plain(change) for change in changes])


@router.post("/grids/{name}/ratings", status_code=201)
@needs(Right.WRITE)
def rate_cell(name: GridNamePath, body: schemas.CellRating, service: Shared) -> dict[str, Any]:
    """Confirm, correct or reject a cell, or withdraw its rating. The rating stays until the answer
    changes; returns the cell.
    """
    cell = grids.rate(service.engine.store, name, body.row, body.column, body.verdict, body.value)
    column = grids.spec_of(service.engine.store, name).column(cell.column)
    return grids.cell_dict(cell, column)


@router.get("/grids/{name}/file", response_class=Response, responses=content(_FILE))
@needs(Right.READ)
def get_grid_file(
    name: GridNamePath,
    request: Request,
    service: Shared,
    format: Literal["xlsx", "csv", "html", "md", "jsonl", "gold.jsonl", "zip"] = "csv",
    state: StateName = "",
    value: Words = "",
) -> Response:
    """Download a grid as a file: XLSX of up to 20,000 cells; gold.jsonl has the rated cells as gold
    questions; zip is a bundle, which proves the cells without rag (`POST /v1/proofs/bundle`).
    """
    with writing_a_file(request):
        grid = grids.load(service.engine.store, name).narrowed(state, value)
        cells = len(grid.rows) * len(grid.spec.columns)
        if format == "xlsx" and cells > _XLSX_CELLS:
            message = f"the grid has {cells:,} cells, more than the {_XLSX_CELLS:,} of XLSX"
            raise InputError(message, "use format=csv, or: rag grid show NAME --out FILE.xlsx")
        if format == "zip":
            contents = bundle.of_grid(grid)
            written = proof.packed(service.engine.store, contents, MOST_BUNDLED).content
        else:
            written = grid_export.in_format(grid, f".{format}", {})
    headers = {"Content-Disposition": f'attachment; filename="grid.{format}"'}
    return Response(written, media_type=_MEDIA[format], headers=headers)


@router.get("/grids/{name}/verify")
@needs(Right.READ)
def verify_grid(name: GridNamePath, request: Request, service: Shared) -> schemas.ProofCheckSchema:
    """Check whether the quotes of all cells are still at their places."""
    store = service.engine.store
    check = proof.check_grid(grids.load(store, name), service, service.deadline(caller_of(request)))
    return schemas.ProofCheckSchema.model_validate(check.to_dict())


def _start(
    service: Service, name: str, request: Request, response: Response
) -> schemas.GridJobSchema:
    job = service.jobs.add([(f"{GRID}{name}", b"")], caller_of(request).key_id)
    response.headers["Location"] = prefixed(request.state.collection, f"/v1/jobs/{job}")
    return schemas.GridJobSchema(name=name, job=job)


def _summary(grid: grids.Grid) -> dict[str, Any]:
    return {
        "name": grid.spec.name,
        "rows": len(grid.rows),
        "columns": len(grid.spec.columns),
        "changed": len(grid.changes()),
        "counts": grid.counts,
    }
