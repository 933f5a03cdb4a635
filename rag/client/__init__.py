"""How other programs use rag: over HTTP (`Client`), and as retrievers of LangChain and LlamaIndex.

`rag.client.local_index` is the index in one's own process, which `rag.open` opens.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from rag.client.service import AsyncClient, Client, Event, ServiceProblem, Unreachable

__all__ = ["AsyncClient", "Client", "Event", "ServiceProblem", "Unreachable"]


def __getattr__(name: str) -> _Any:
    """Import httpx only when a name is used; without it, the error says how to install it."""
    if name not in __all__:
        raise AttributeError(f"module 'rag.client' has no attribute {name!r}")
    return getattr(_import_module("rag.client.service"), name)
