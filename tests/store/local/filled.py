"""Indexes of small documents."""

from collections.abc import Iterable
from pathlib import Path

from tests.store.helpers import local, put_text

ALL = {"a", "b", "c"}
"""The documents of the fixture `folder`."""


def filled_index(folder: Path, ids: Iterable[str]) -> Path:
    store = local(folder)
    for id in sorted(ids):
        with store.writing():  # one segment each
            put_text(store, id, f"Sardines swim near {id}.", topic=id)
    store.close()
    return folder
