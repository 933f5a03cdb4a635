"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Callable

from rag import build

Run = Callable[..., tuple[int, str, str]]
"""Runs a command: (exit code, stdout, stderr)."""
SHIPPED_JUDGE = build.judge
