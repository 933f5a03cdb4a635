"""Asks standing grids again after a sync: those whose file says `refresh = "on_sync"`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.desk import grid as grids
from rag.desk import grid_run
from rag.errors import RagError
from rag.protocols import Store

if TYPE_CHECKING:
    from rag.engine import Engine


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A grid that was asked again: changed answers that nobody has seen, and an error, or ""."""

    name: str
    changed: int
    error: str = ""


def refresh(
    store: Store, engine: Callable[[], Engine], has_changed: bool = True
) -> Iterator[Refreshed]:
    """Ask the standing grids that have something to ask; only then `engine` is called. Rows of
    several documents are asked only if the index `has_changed`.
    """
    for name in store.grids():
        try:
            if grids.spec_of(store, name).refresh != "on_sync":
                continue
            waiting = grid_run.due(grids.load(store, name))
            if any(has_changed or cell.has_changed for cell in waiting):
                grid_run.run(engine(), name)
                yield Refreshed(name, len(grids.load(store, name).changes()))
        except RagError as error:
            yield Refreshed(name, 0, error.message)
