"""The token of an index without API keys. It stays the same, so that addresses stay valid."""

from __future__ import annotations

import hashlib
import html
import logging
import os
import re
import secrets
from pathlib import Path

from rag.errors import RagError
from rag.server.owner_files import locked, replace_file

_log = logging.getLogger(__name__)
_TOKEN = re.compile(r"[\w-]{32,}")
_OTHERS = 0o077


def local_token(index: Path) -> str:
    """The token of the index, from a file that only this user may read; created when it is first
    needed, and again if the file is not this user's own. A token for this run if no file can be
    kept.
    """
    try:
        path = _folder() / hashlib.sha256(str(index.resolve()).encode()).hexdigest()[:32]
        with locked(path):
            token = _own(path)
            if not token:
                token = secrets.token_urlsafe(24)
                replace_file(path, token)
            return token
    except (OSError, RuntimeError, RagError) as error:
        _log.warning("the token cannot be kept, so it is new at each start: %s", error)
        return secrets.token_urlsafe(24)


def redirect_file(address: str) -> Path:
    """A file of this user's own that leads a browser to the address: other users see the arguments
    of a process, and the address contains the token. Raises OSError, RuntimeError, RagError.
    """
    path = _folder() / "open.html"
    place = html.escape(f"0;url={address}")
    with locked(path):
        replace_file(path, f'<!doctype html><meta http-equiv="refresh" content="{place}">')
    return path


def _folder() -> Path:
    """Made if missing. Raises OSError, and RuntimeError without a home folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "rag" / "serve"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _own(path: Path) -> str:
    """The token in the file; "" if another user may have read or written it."""
    try:
        status = path.stat()
        token = path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeError):
        return ""
    own = os.name != "posix" or (status.st_uid == os.getuid() and not status.st_mode & _OTHERS)
    return token if own and _TOKEN.fullmatch(token) else ""
