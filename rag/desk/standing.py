"""Standing questions: grids that are asked again after each `rag sync`."""

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
    """A standing grid that was asked again: how many cells were read, how many answers changed
    since somebody looked, and what stopped it, or "".
    """

    name: str
    asked: int
    changed: int
    error: str = ""


def standing(store: Store, has_changed: bool) -> list[str]:
    """Grids that are to be asked after a sync and have something to ask. Rows of several documents
    are asked only if the index `has_changed`.
    """
    loaded = (grids.load(store, name) for name in grids.names(store))
    return [
        one.spec.name
        for one in loaded
        if one.spec.refresh == "on_sync"
        and any(cell.row.sha256 or has_changed or not cell.before for cell in grid_run.due(one))
    ]


def refresh(
    store: Store, engine: Callable[[], Engine], has_changed: bool = True
) -> Iterator[Refreshed]:
    """Ask the standing grids again. `engine` is called only if there is something to ask."""
    for name in standing(store, has_changed):
        try:
            asked = grid_run.run(engine(), name)
            yield Refreshed(name, asked, len(grids.load(store, name).changes()))
        except RagError as error:
            yield Refreshed(name, 0, 0, error.message)
