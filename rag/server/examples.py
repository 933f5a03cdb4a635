"""An example request and response of each operation, for /openapi.json and the page at /docs.

They are responses of the service over two small documents. `tests/server/test_docs_page.py` checks
them against the schema.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("examples.json")


@functools.cache
def examples() -> dict[str, dict[str, Any]]:
    """By operationId: "response", its "status", and "request" if the operation has a body."""
    found: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def illustrate(operation: dict[str, Any]) -> None:
    """Add an operation's example to its description."""
    example = examples().get(operation["operationId"])
    if example is None:
        return
    answer = operation["responses"][example["status"]]
    media = answer.setdefault("content", {}).setdefault("application/json", {})
    media["example"] = example["response"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and "request" in example:
        body["example"] = example["request"]
