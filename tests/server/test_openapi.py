"""Detects changes of the API's schema; accept them with ACCEPT_SCHEMA=1."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.error_shapes import error_model

SNAPSHOT = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    found["info"]["version"] = ""
    return found


def test_the_schema_is_unchanged(schema: dict[str, Any]) -> None:
    text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    if os.environ.get("ACCEPT_SCHEMA"):
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text(), (
        "if this is meant: ACCEPT_SCHEMA=1 pytest tests/server/test_openapi.py"
    )


def test_every_operation_is_documented_with_its_errors(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (path, method)
            errors = {
                status: answer
                for status, answer in operation["responses"].items()
                if int(status) >= 400
            }
            other = error_model(path)  # OpenAI's and Dify's clients get errors in their own formats
            assert {"401", "400" if other else "422", "429", "503"} <= set(errors)
            for answer in errors.values():
                assert answer["description"]
                assert list(answer["content"]) == [
                    "application/json" if other else "application/problem+json"
                ]


def test_operation_ids_are_names_for_methods(schema: dict[str, Any]) -> None:
    found = [
        operation["operationId"] for path in schema["paths"].values() for operation in path.values()
    ]
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() and not name.endswith("_post") for name in found)


def test_every_reference_resolves(schema: dict[str, Any]) -> None:
    names = schema["components"]["schemas"]
    text = json.dumps(schema)
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.split('"')[0] in names
