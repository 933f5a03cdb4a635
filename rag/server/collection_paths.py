"""Paths of collections: `/v1/collections/NAME/ask` is `/v1/ask` of the collection NAME."""

from __future__ import annotations

from rag.settings import DEFAULT_COLLECTION

_PREFIX = "/v1/collections/"
_OF_THE_INDEX = ("/mcp", "/search")
"""Paths outside /v1 that belong to the default collection."""
DEFAULT_NAMES = ("", DEFAULT_COLLECTION)
"""Names of no collection and of the default one, which is always open."""


def split_path(path: str) -> tuple[str, str]:
    """(collection, path within it); the collection is "" for paths that belong to none."""
    if path.startswith(_PREFIX):
        name, slash, path_within = path.removeprefix(_PREFIX).partition("/")
        # collections do not nest
        if name and slash and path_within and path_within.split("/")[0] != "collections":
            return name, "/mcp" if path_within == "mcp" else f"/v1/{path_within}"
    neutral = f"{path}/".startswith(_PREFIX) or not path.startswith("/v1/")
    if neutral and path not in _OF_THE_INDEX:
        return "", path
    return DEFAULT_COLLECTION, path


def prefixed(collection: str, path: str) -> str:
    """The full path of a path within a collection; the inverse of `split_path`."""
    if collection in DEFAULT_NAMES:
        return path
    return f"{_PREFIX}{collection}{path.removeprefix('/v1')}"
