"""Every path under `/v1/` is there for a collection too: `/v1/collections/NAME/ask` is `/v1/ask` of
the collection NAME.
"""

from __future__ import annotations

from rag.settings import DEFAULT_COLLECTION

_PREFIX = "/v1/collections/"
NEUTRAL = ("/v1/collections",)
"""What belongs to no collection, with what is below it."""


def split(path: str) -> tuple[str, str]:
    """(collection, path within it). Of the collections themselves, and of what is not under /v1,
    the collection is "".
    """
    if path.startswith(_PREFIX):
        name, slash, rest = path.removeprefix(_PREFIX).partition("/")
        if (
            name and slash and rest and rest.split("/")[0] != "collections"
        ):  # there are none in a collection
            return name, "/mcp" if rest == "mcp" else f"/v1/{rest}"
    if path != "/mcp" and (
        path in NEUTRAL or path.startswith(_PREFIX) or not path.startswith("/v1/")
    ):
        return "", path
    return DEFAULT_COLLECTION, path


def prefixed(collection: str, path: str) -> str:
    """The other way round, for links to what is in a collection."""
    return (
        path
        if collection in ("", DEFAULT_COLLECTION)
        else f"{_PREFIX}{collection}{path.removeprefix('/v1')}"
    )
