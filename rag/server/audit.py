"""Audit log: who changed documents, collections and keys, and when. It contains no text of
documents or questions.

JSON Lines in the index's `audit.jsonl`, and in the log under `rag.audit`.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from rag.errors import RagError
from rag.server.owner_files import JournalFile

NAME = "audit.jsonl"
_log = logging.getLogger("rag.audit")
_MOST_BYTES = 1_000_000_000


class Audit:
    """Audit log of one index and its collections."""

    def __init__(self, folder: Path) -> None:
        self._file = JournalFile(folder / NAME, _MOST_BYTES)

    def note(self, event: str, **facts: object) -> None:
        """Record an event durably. If that fails, the log says so, and the change stays."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **facts}
        _log.info(json.dumps(line))
        try:
            self._file.add(line)
        except RagError as error:
            _log.error("%s could not be added to the audit log: %s", event, error.message)
