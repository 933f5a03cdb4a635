"""The API's schema: its operations, their errors and references."""

import json
from typing import Any

import httpx
import pytest

from rag.server.problems import shape_of

OPERATIONS = """
DELETE /v1/collections/{name} delete_collection
DELETE /v1/documents/{document} delete_document
DELETE /v1/grids/{name} delete_grid
DELETE /v1/jobs/{job} cancel_job
GET /health health
GET /metrics metrics
GET /ready ready
GET /search search_like_searxng
GET /v1/collections list_collections
GET /v1/documents list_documents
GET /v1/documents/{document} get_document
GET /v1/documents/{document}/text get_text
GET /v1/feedback get_feedback
GET /v1/grids list_grids
GET /v1/grids/{name} get_grid
GET /v1/grids/{name}/changes list_grid_changes
GET /v1/grids/{name}/file get_grid_file
GET /v1/guide get_guide
GET /v1/jobs list_jobs
GET /v1/jobs/{job} get_job
GET /v1/me get_me
GET /v1/models list_models
GET /v1/models/{model} get_model
GET /v1/blocks list_blocks
GET /v1/original get_original
GET /v1/pages get_page
GET /v1/pages/picture get_page_picture
GET /v1/sources list_sources
GET /v1/threads list_threads
GET /v1/threads/{thread} get_thread
DELETE /v1/threads/{thread} delete_thread
PUT /v1/threads/{thread} put_thread
GET /v1/vector_stores list_vector_stores
GET /v1/vector_stores/{vector_store} get_vector_store
PATCH /v1/collections/{name} rename_collection
POST /v1/ask ask
POST /v1/ask/batch ask_batch
POST /v1/chat/completions create_chat_completion
POST /v1/check check
POST /v1/collections create_collection
POST /v1/collections/ask ask_collections
POST /v1/dify/retrieval retrieve_for_dify
POST /v1/documents add_documents
POST /v1/embeddings create_embeddings
POST /v1/feedback add_feedback
POST /v1/grids create_grid
POST /v1/grids/{name}/looked look_at_grid
POST /v1/grids/{name}/ratings rate_cell
POST /v1/grids/{name}/refresh refresh_grid
POST /v1/rerank rerank
POST /v1/responses create_response
POST /v1/search search
POST /v1/session sign_in
POST /v1/vector_stores/{vector_store}/search search_vector_store
POST /v1/verify verify_citation
PUT /v1/documents/{document} put_document
"""


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_all_operations_have_their_paths_and_names(schema: dict[str, Any]) -> None:
    operations = [
        f"{method.upper()} {path} {operation['operationId']}"
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    assert sorted(operations) == sorted(OPERATIONS.strip().splitlines())


def test_every_operation_is_documented_with_its_errors(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        shape = shape_of(path)  # OpenAI's and Dify's clients get errors in their own formats
        media = "application/json" if shape else "application/problem+json"
        for method, operation in operations.items():
            assert operation["description"], (path, method)
            assert not [status for status in operation["responses"] if status.startswith("4")]
            (content,) = operation["responses"]["default"]["content"].items()
            name = shape.__name__ if shape else "Problem"
            assert content == (media, {"schema": {"$ref": f"#/components/schemas/{name}"}})


def test_every_reference_resolves(schema: dict[str, Any]) -> None:
    names = schema["components"]["schemas"]
    text = json.dumps(schema)
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.split('"')[0] in names
