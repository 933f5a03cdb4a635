"""Reads the settings file; converts and checks the values of settings."""

import difflib
import logging
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.errors import InputError

SCHEMES = ("postgresql://", "postgres://")
_SECRETS = re.compile(r"([?&](?:password|sslpassword|sslkey|passfile)=)[^&]*")
_LOGIN = re.compile(r"^(\w+://)(?:([^:/?#]*)(:.*)?@)?", re.DOTALL)


def shown(dsn: str) -> str:
    """A PostgreSQL address without its password, even if the address is malformed."""

    def login(match: re.Match[str]) -> str:
        scheme, user, password = match.groups()
        return scheme + ("" if user is None else f"{user}@" if password is None else f"{user}:***@")

    return _SECRETS.sub(r"\1***", _LOGIN.sub(login, dsn))


_LIMITS: dict[str, tuple[float, float]] = {
    "alpha": (0, 1),
    "threshold": (-1, 1),
    "top_k": (1, 200),
    "passage_tokens": (16, 480),
    "writer_seconds": (1, 600),
    "threads": (0, 1_024),
    "workers": (0, 256),
    "file_mb": (1, 10_000),
    "file_memory_mb": (256, 1_000_000),
    "keep_furniture": (0, 1),
    "port": (0, 65_535),
    "queue": (1, 10_000),
    "deadline_ms": (1, 600_000),
    "max_upload_mb": (1, 1_024),
    "rate": (0, 1_000_000),
    "spelling": (0, 1),
}
"""Least and greatest value."""
_CHOICES = {
    "precision": ("auto", "fp32", "bf16"),
    "device": ("auto", "cpu", "cuda", "mps"),
}

_ADDRESSES = {"writer": "http://127.0.0.1:8080/v1", "public_url": "https://rag.example.org/"}
"""Settings that are addresses, with examples."""


def check(source: str, values: Mapping[str, Any]) -> None:
    """Raises InputError for a value that is out of range."""
    _check_addresses(source, values)
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
            message = f"{name} = {values[name]!r} in {source} is not {listed}"
            raise InputError(message, f"set RAG_{name.upper()}=auto")
    for name, (lowest, highest) in _LIMITS.items():
        if not lowest <= values[name] <= highest:
            message = f"{name} = {values[name]} in {source} is not between {lowest} and {highest}"
            raise InputError(message, f"choose a value from {lowest} to {highest}")


def _check_addresses(source: str, values: Mapping[str, Any]) -> None:
    if values["store"] != "local" and not values["store"].startswith(SCHEMES):
        message = (
            f'store = {shown(values["store"])!r} in {source} is neither "local" nor a '
            f"PostgreSQL address"
        )
        raise InputError(message, "write RAG_STORE=postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    for name, example in _ADDRESSES.items():
        if values[name] and not values[name].startswith(("http://", "https://")):
            message = f"{name} = {values[name]!r} in {source} is not an http or https address"
            raise InputError(message, f"write RAG_{name.upper()}={example}")


def convert(source: str, name: str, value: Any, kinds: Mapping[str, type]) -> Any:
    """The value as the type of its setting. Raises InputError for an unknown name or a value of
    another type.
    """
    _check_name(source, name, kinds)
    kind = kinds[name]
    wrong = InputError(
        f"{name} = {value!r} in {source} is not a valid {kind.__name__}",
        f"set {name} to a {kind.__name__}",
    )
    if (
        isinstance(value, bool)
        or not isinstance(value, (str, int, float, Path))
        or (kind is int and isinstance(value, float))
    ):
        raise wrong  # int(8.7) would silently turn a TOML file's 8.7 into 8
    if issubclass(kind, Path) and not str(value).strip():
        raise InputError(f"{name} in {source} is empty", f"name a folder, or leave {name} out")
    try:
        converted = kind(value)
        return converted.expanduser() if isinstance(converted, Path) else converted
    except (
        ValueError,
        TypeError,
        OverflowError,
        RuntimeError,
    ) as error:  # RuntimeError: ~user does not exist
        raise wrong from error


def _check_name(source: str, name: str, kinds: Mapping[str, type]) -> None:
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"known settings: {', '.join(kinds)}"
        raise InputError(f"unknown setting {name!r} in {source}", hint)


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
