"""The folder of an index, and the name of its own collection."""

import os
from pathlib import Path

OWN_FILES = frozenset({"derived.json", "keys.json", "stamps.json", "snapshots.jsonl"})
"""Files in an index folder that would otherwise be ingested as documents."""
DEFAULT_COLLECTION = "default"
"""Name of the index's own collection."""


def root_of(index: Path) -> str:
    """Absolute path of the folder that contains the index, or the index which a collection is
    beside; "" for the file system's root. Documents below it travel with the index.
    """
    folder = Path(os.path.realpath(index))
    if folder.parent.name == "collections":
        folder = folder.parent.parent
    return str(folder.parent).rstrip("/")


def is_index(folder: str | Path) -> bool:
    """Whether this is an index folder. A folder with only a copy of the database does not count."""
    return os.path.isfile(os.path.join(folder, "rag.sqlite")) and any(
        os.path.isfile(os.path.join(folder, name)) for name in ("derived.json", "lock")
    )
