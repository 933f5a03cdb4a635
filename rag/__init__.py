"""Ask questions of a folder of documents: quoted answers with their sources, or "not found"."""

import os as _os
from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from rag.models import threads as _threads

__version__ = "0.1.0"

# before anything imports torch, whose OpenMP reads the variables only once
_threads.prepare(_os.environ)

if _TYPE_CHECKING:
    from rag.client.local_index import AsyncIndex, Index, open, open_async
    from rag.errors import RagError
    from rag.settings import Settings
    from rag.types import Answer, Citation, Document, Hit, Passage

__all__ = [
    "Answer",
    "AsyncIndex",
    "Citation",
    "Document",
    "Hit",
    "Index",
    "Passage",
    "RagError",
    "Settings",
    "open",
    "open_async",
]
_HOMES = {
    "RagError": "rag.errors",
    "Settings": "rag.settings",
    **dict.fromkeys(("AsyncIndex", "Index", "open", "open_async"), "rag.client.local_index"),
}


def __getattr__(name: str) -> _Any:
    """Import names on first use: `rag --help` and `import rag` load nothing heavy."""
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(_import_module(_HOMES.get(name, "rag.types")), name)
