"""Plain JSON values of answers, hits and reports."""

from __future__ import annotations

import dataclasses
from typing import Any, TextIO


def takes_all(out: TextIO) -> bool:
    """Whether the stream's encoding has every character; if not, JSON is escaped."""
    return (out.encoding or "utf-8").lower().startswith("utf")


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
