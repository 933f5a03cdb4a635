"""The API's schema, CORS, problems and the parts of answers that citations name."""

import errno
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.errors import BusyError, InputError, StoreError
from rag.server import schemas, serialize
from rag.server.auth import origins
from rag.server.problems import problem_of, shape_of, without_places
from rag.session import Answered
from rag.types import Alternative, Answer, Citation, Hit, Passage, Piece, Place, Value
from tests.server.fake_server import add_key, serving


def test_only_named_origins_may_ask_and_only_with_a_key(tmp_path: Path) -> None:
    origins = "https://app.example.org, http://localhost:3000"
    allowed, foreign_origin = (
        {"Origin": "https://app.example.org"},
        {"Origin": "https://evil.example"},
    )
    asks = {"Access-Control-Request-Method": "POST"}
    asks |= {"Access-Control-Request-Headers": "authorization"}
    with serving(tmp_path, key=add_key(tmp_path), cors_origins=origins) as client:
        preflight = client.options("/v1/ask", headers={**allowed, **asks})
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        listed = client.get("/v1/documents", headers=allowed)
        denied = client.get("/v1/documents", headers={**allowed, "Authorization": ""})
        for answer, status in ((preflight, 200), (listed, 200), (denied, 401)):
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == allowed["Origin"]
        foreign = client.get("/v1/documents", headers=foreign_origin)
        assert "access-control-allow-origin" not in foreign.headers
        assert client.options("/v1/ask", headers={**foreign_origin, **asks}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["*", "app.example.org", "https://app.example.org/", "ftp://x.org", "null"]
)
def test_invalid_origins_are_named(origin: str) -> None:
    with pytest.raises(InputError, match="RAG_CORS_ORIGINS"):
        origins(origin)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("index /home/ada/index cannot be written: disk", "index …/index cannot be written: disk"),
        ("API keys in /var/lib/rag/keys.json are gone", "API keys in …/keys.json are gone"),
        ("/a/b c.sqlite is written by process 4711", "…/b c.sqlite is written by another process"),
        ("run: rag index restore SNAPSHOT, or rag ingest PATH", ""),
        ("ask again at http://127.0.0.1:8000/v1/documents", ""),
        ("it is 14/07 and/or later", ""),
    ],
)
def test_http_errors_contain_no_paths(text: str, expected: str) -> None:
    assert without_places(text) == (expected or text)
    assert problem_of(BusyError(text)).detail == (expected or text)


def test_a_full_disk_is_reported() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError) as raised_by_sqlite:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    for cause in (raised_by_sqlite.value, OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(StoreError) as raised:
            raise StoreError("index /x cannot be written") from cause
        assert problem_of(raised.value).status == 507
    assert problem_of(StoreError("broken")).status == 503


@pytest.mark.parametrize(
    ("answer", "quote", "part"),
    [
        ("14 July 2015", "2015", "2015"),
        ("2015", "14 July 2015", "2015"),
        ("Ada, Bob", "Bob", "Bob"),
    ],
)
def test_a_citation_names_its_part_of_the_answer(answer: str, quote: str, part: str) -> None:
    place = dict.fromkeys(("start", "end", "sentence_start", "sentence_end"), 0)
    names = ("document_id", "title", "source", "headings", "sentence", "sha256")
    cited = Citation(**dict.fromkeys(names, "x"), **place, quote=quote, page=None)  # type: ignore[arg-type]
    composed = Answer("Q?", answer, 0.9, (cited,), (), (), None, {})
    (cited_part,) = composed.to_dict()["citations"]
    assert answer[cited_part["start"] : cited_part["end"]] == part


def test_the_schema_is_that_of_the_answers_json() -> None:
    """With all that is in an answer, so that nothing is described but never sent."""
    passage = Passage("d", 0, 9, "It is so.", "D", ("A",))
    hit = Hit(passage, 0.5, 0.4, 3.0)
    cited = Citation("d", "D", ("A",), "/d", "f" * 64, 3, 5, "is", 0, 9, "It is so.")
    cited = replace(cited, copies=(Place("e", 3, 5, "E"),))
    rival = Alternative("so", 0.2, (cited,))
    complete_answer = Answer("Q?", "is", 0.9, (cited,), (rival,), (hit,), None, {"read": 0.1})
    complete_answer = replace(
        complete_answer, conflicts=(rival,), pieces=(Piece(cited),), value=Value("number", "is")
    )
    sent = serialize.answer(Answered(complete_answer, "Q?"))
    assert schemas.AnswerSchema.model_validate(sent).model_dump(mode="json") == sent


OPERATIONS = """
/health GET health
/metrics GET metrics
/ready GET ready
/search GET search_like_searxng
/v1/ask POST ask
/v1/ask/batch POST ask_batch
/v1/blocks GET list_blocks
/v1/chat/completions POST create_chat_completion
/v1/check POST check
/v1/check/file POST check_file
/v1/collections GET list_collections, POST create_collection
/v1/collections/ask POST ask_collections
/v1/collections/{name} DELETE delete_collection, PATCH rename_collection
/v1/dify/retrieval POST retrieve_for_dify
/v1/documents GET list_documents, POST add_documents
/v1/documents/{document} DELETE delete_document, GET get_document, PUT put_document
/v1/documents/{document}/text GET get_text
/v1/embeddings POST create_embeddings
/v1/feedback GET get_feedback, POST add_feedback
/v1/grids GET list_grids, POST create_grid
/v1/grids/{name} DELETE delete_grid, GET get_grid
/v1/grids/{name}/changes GET list_grid_changes
/v1/grids/{name}/file GET get_grid_file
/v1/grids/{name}/looked POST look_at_grid
/v1/grids/{name}/ratings POST rate_cell
/v1/grids/{name}/refresh POST refresh_grid
/v1/grids/{name}/verify GET verify_grid
/v1/guide GET get_guide
/v1/jobs GET list_jobs
/v1/jobs/{job} DELETE cancel_job, GET get_job
/v1/me GET get_me
/v1/models GET list_models
/v1/models/{model} GET get_model
/v1/original GET get_original
/v1/pages GET get_page
/v1/pages/picture GET get_page_picture
/v1/proofs/bundle POST make_bundle
/v1/proofs/certificate POST make_certificate
/v1/proofs/verify POST verify_proof
/v1/rerank POST rerank
/v1/responses POST create_response
/v1/search POST search
/v1/session POST sign_in
/v1/sources GET list_sources
/v1/threads GET list_threads
/v1/threads/{thread} DELETE delete_thread, GET get_thread, PUT put_thread
/v1/vector_stores GET list_vector_stores
/v1/vector_stores/{vector_store} GET get_vector_store
/v1/vector_stores/{vector_store}/search POST search_vector_store
/v1/verify POST verify_citation
/v1/writer GET get_writer
"""


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> dict[str, Any]:
    description: dict[str, Any] = client.get("/openapi.json").json()
    return description


def test_all_operations_have_their_paths_and_names(schema: dict[str, Any]) -> None:
    operations = [
        f"{path} "
        + ", ".join(
            f"{m.upper()} {operation['operationId']}"
            for m, operation in sorted(operations_of_path.items())
        )
        for path, operations_of_path in schema["paths"].items()
    ]
    assert sorted(operations) == OPERATIONS.strip().splitlines()


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
