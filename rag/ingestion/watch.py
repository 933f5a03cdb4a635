"""Watches a folder: syncs it now and after each change of its files, until interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rag.errors import BusyError, InputError, RagError, install_line
from rag.ingestion.sync import Changes


def watch(
    root: Path,
    index: Path,
    sync: Callable[[], Changes],
    report: Callable[[Changes], object],
    report_error: Callable[[RagError], object],
) -> None:
    """Call `sync` now and after each change below `root`, and `report` if it changed or skipped
    something. After an error the next change tries again; after BusyError the next half second
    does. Raises InputError without the package watchfiles.
    """
    try:
        import watchfiles
    except ImportError as error:
        hint = f"run: {install_line('watch')}"
        raise InputError("--watch needs the package watchfiles", hint) from error
    is_first, is_locked = True, False
    # A sync writes to the index folder and would trigger itself.
    watched = watchfiles.DefaultFilter(ignore_paths=[os.path.join(index.resolve(), "")])
    # Watch before the first sync, so that changes during it are not missed.
    for changes in watchfiles.watch(
        root,
        watch_filter=watched,
        rust_timeout=500,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        if not (changes or is_first or is_locked):
            continue
        try:
            result = sync()
            if is_first or result.any or result.skipped:
                report(result)
            is_locked = False
        except RagError as error:
            is_locked = isinstance(error, BusyError)
            report_error(error)
        is_first = False
