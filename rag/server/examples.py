"""An example request and response of each operation, for /openapi.json and the page at /docs.

They are what the service answered over two small documents. `tests/server/test_docs_page.py` holds
them to the schema.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("examples.json")


@functools.cache
def examples() -> dict[str, dict[str, Any]]:
    """By operationId: "response", its "status", and "request" where the operation takes one."""
    found: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def illustrate(operation: dict[str, Any]) -> None:
    """Put the example of an operation into its description."""
    example = examples().get(operation["operationId"])
    if example is None:
        return
    answer = operation["responses"][example["status"]]
    media = answer.setdefault("content", {}).setdefault("application/json", {})
    media["example"] = example["response"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and "request" in example:
        body["example"] = example["request"]
