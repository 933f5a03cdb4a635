"""Reads the settings file, and refuses unsafe settings in one that nobody named."""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.errors import InputError

CONFIG_FILE = "rag.toml"
_TRUSTED = frozenset(
    {
        "store",
        "embedder",
        "reader",
        "calibration",
        "forms",
        "host",
        "public_url",
        "writer",
        "writer_key",
        "traces",
    }
    | {"cors_origins", "certfile", "keyfile", "keys_file"}
)
"""Settings that locate models, databases, hosts, or files besides the index. A rag.toml that just
happens to be in the working folder must not set them; a file named in RAG_CONFIG may.
"""
_log = logging.getLogger(__name__)


def check_found(path: Path, values: Mapping[str, Any]) -> None:
    """A rag.toml found in the working folder may be anyone's. Raises InputError if it sets one of
    the `_TRUSTED` settings.
    """
    if unsafe := sorted(_TRUSTED.intersection(values)):
        message = (
            f"{path.absolute()} sets {', '.join(unsafe)}, which a file found in the working "
            f"folder must not set"
        )
        raise InputError(
            message,
            f"if you trust it: export RAG_CONFIG={path.absolute()}; else remove these settings, or "
            f"change to another folder",
        )
    if values:
        _log.warning(
            "settings from %s: %s",
            path,
            ", ".join(f"{name} = {value!r}" for name, value in values.items()),
        )


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"settings file {path}: {error.strerror}", "correct RAG_CONFIG, or unset it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"settings file {path} is not TOML: {error}", f"correct {path}") from error
