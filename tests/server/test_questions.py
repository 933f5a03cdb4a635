import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low as median
from typing import Any

import httpx
import pytest

from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.fakes import NameReader
from tests.server.fake_server import SlowReader, put_text, serving

BURNS = {"question": "Who led the talks?", "top_k": 3}


def test_an_answer_names_its_place(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json=BURNS).json()
    assert answer["answer"] == "William Burns"
    (citation,) = answer["citations"]
    text = client.get(f"/v1/documents/{citation['document_id']}/text").text
    highlight = citation["highlight"]
    assert (
        text[highlight["start_char_index"] : highlight["end_char_index"]]
        == highlight["text"]
        == "William Burns"
    )
    sentence = text[citation["start_char_index"] : citation["end_char_index"]]
    assert (
        sentence
        == citation["cited_text"]
        == "The talks were led by William Burns \U0001f54a in Muscat."
    )
    assert answer["answer"][citation["start"] : citation["end"]] == "William Burns"
    assert citation["index"] == 1
    assert (
        citation["document_sha256"] == client.get("/v1/documents/uploads/oman.txt").json()["sha256"]
    )
    assert answer["nearest"][0]["scores"]["score"] == citation["scores"]["score"]
    assert set(answer["timings_ms"]) == {"retrieve", "read", "compose"}


def test_not_found_has_a_reason_and_the_closest_passages(client: httpx.Client) -> None:
    response = client.post("/v1/ask", json={"question": "zebra giraffe okapi"})
    assert response.status_code == 200
    answer = response.json()
    assert answer["answer"] is None
    assert answer["citations"] == []
    assert answer["abstention_reason"]
    assert answer["nearest"]


def test_filters_choose_documents(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json={**BURNS, "filters": ["document=uploads/lease.md"]}).json()
    assert {hit["document_id"] for hit in answer["nearest"]} == {"uploads/lease.md"}
    wrong = client.post("/v1/ask", json={**BURNS, "filters": ["nonsense"]})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:rag:input")


def test_a_batch_is_answered_in_its_order(client: httpx.Client) -> None:
    asked = ["Who led the talks?", "When does the lease end?", "Who led the talks?"]
    answers = client.post("/v1/ask/batch", json={"questions": asked}).json()["answers"]
    assert [answer["question"] for answer in answers] == asked
    assert answers[0]["answer"] == answers[2]["answer"] == "William Burns"


def test_search_reads_nothing(client: httpx.Client) -> None:
    found = client.post("/v1/search", json={"question": "secret talks", "top_k": 1}).json()
    (hit,) = found["hits"]
    assert hit["document_id"] == "uploads/oman.txt"
    assert hit["scores"]["lexical_rank"] == 1
    assert found["generation"] >= 2


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in blocks
    ]


def test_a_stream_has_the_same_answer_in_events(client: httpx.Client) -> None:
    response = client.post("/v1/ask", json={**BURNS, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    assert [name for name, _ in found] == ["search_results", "citation", "final_answer", "done"]
    whole = client.post("/v1/ask", json=BURNS).json()
    assert found[1][1] == whole["citations"][0]
    assert found[2][1] | {"timings_ms": 0} == whole | {"timings_ms": 0}
    assert found[0][1]["hits"] == whole["nearest"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"question": ""}, 422),
        ({"question": "   "}, 422),
        ({"question": "x" * 1001}, 422),
        ({"question": "?", "top_k": 0}, 422),
        ({"question": "?", "top_k": True}, 422),
        ({"question": 7}, 422),
        ({"question": "?", "unknown": 1}, 422),
        ({"question": "?", "\ud800": 1}, 422),
        ({"question": "?", "deadline_ms": 1e999}, 422),
        ({"question": "bad \ud800"}, 422),
        ([], 422),
        (None, 422),
    ],
)
def test_invalid_questions_are_problems(client: httpx.Client, body: Any, status: int) -> None:
    response = client.post(
        "/v1/ask", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    problem = response.json()
    assert response.status_code == status == problem["status"]
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def test_body_errors_are_explained(client: httpx.Client) -> None:
    for path in ("/v1/ask", "/v1/documents"):
        broken = client.post(
            path, content=b'{"question": "x"', headers={"Content-Type": "application/json"}
        ).json()
        assert (broken["status"], broken["type"]) == (400, "urn:rag:malformed")
        assert "JSON" in broken["detail"]
    unknown = client.post("/v1/ask", json={"question": "x", "topK": 3}).json()
    assert unknown["detail"] == "the field `topK` is not known"
    unsaid = client.post("/v1/ask", content=b'{"question": "x"}').json()
    assert unsaid["status"] == 415
    assert "Content-Type: application/json" in unsaid["hint"]


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b'{"question": "\xff"}', b"[" * 100_000, b'{"top_k":' + b"9" * 5000 + b"}"],
)
def test_invalid_json_is_a_problem(client: httpx.Client, content: bytes) -> None:
    response = client.post("/v1/ask", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_a_citation_can_be_verified_later(client: httpx.Client) -> None:
    put_text(client, "moving.txt", "The cat is called Minka.")
    (citation,) = client.post(
        "/v1/ask", json={"question": "What is the cat called?", "top_k": 1}
    ).json()["citations"]
    assert client.post("/v1/verify", json=citation).json()["status"] == "ok"
    put_text(client, "moving.txt", "Dogs bark. The cat is called Minka.")
    moved = client.post("/v1/verify", json=citation).json()
    assert (moved["status"], moved["edited"]) == ("moved", True)
    assert moved["start_char_index"] == citation["highlight"]["start_char_index"] + len(
        "Dogs bark. "
    )
    put_text(client, "moving.txt", "The cat is called Tiger.")
    changed = client.post("/v1/verify", json=citation).json()
    assert (changed["status"], changed["now"]) == ("changed", "The cat is called Tiger.")
    client.delete("/v1/documents/uploads/moving.txt")
    assert client.post("/v1/verify", json=citation).json()["status"] == "missing"
    half = json.dumps(citation | {"highlight": citation["highlight"] | {"text": "\ud800"}})
    assert (
        client.post(
            "/v1/verify", content=half, headers={"Content-Type": "application/json"}
        ).status_code
        == 422
    )


@pytest.mark.parametrize(
    ("start", "end"), [(-6, -2), (-4, 0), (0, 10**9), (10**30, 10**31), (4, 0), (0, 17)]
)
def test_offsets_that_do_not_fit_the_text_are_refused(
    client: httpx.Client, start: int, end: int
) -> None:
    place = {"text": "Oman", "start_char_index": start, "end_char_index": end}
    response = client.post(
        "/v1/verify", json={"document_id": "uploads/oman.txt", "highlight": place}
    )
    assert response.status_code == 422
    assert "`highlight" in response.json()["detail"]
    if start >= 0:
        spanned = f"its text has 4 characters, but its offsets span {end - start}"
        assert spanned in response.json()["detail"]


@pytest.mark.parametrize("end", [4, 3, 16])
def test_miscounted_offsets_get_a_verdict(client: httpx.Client, end: int) -> None:
    place = {"text": "Oman", "start_char_index": 0, "end_char_index": end}
    verdict = client.post(
        "/v1/verify", json={"document_id": "uploads/oman.txt", "highlight": place}
    ).json()
    assert verdict["status"] == ("ok" if end == 4 else "changed")


def test_an_answer_explains_itself(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json=BURNS).json()
    assert any("William Burns" in line for line in answer["explain"])
    assert answer["receipt"]["documents"]["uploads/oman.txt"]
    assert answer["receipt"]["generation"] == answer["generation"]


def test_an_empty_index_has_a_hint(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        response = client.post("/v1/ask", json={"question": "When?"})
        assert response.status_code == 409
        assert response.json()["type"] == "urn:rag:empty"


def test_concurrent_questions_share_batches_and_too_many_are_refused(
    tmp_path: Path,
) -> None:
    reader = SlowReader(0.4)
    with serving(tmp_path, reader, queue=6) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        with ThreadPoolExecutor(20) as pool:
            asked = [{"question": f"Who led talks number {number}?"} for number in range(20)]
            responses = list(pool.map(lambda one: client.post("/v1/ask", json=one), asked))
        refused = [response for response in responses if response.status_code == 503]
        answered = [response for response in responses if response.status_code == 200]
        assert len(refused) + len(answered) == 20
        assert refused
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
        assert median(response.elapsed for response in refused) < median(
            response.elapsed for response in answered
        )
        assert all(response.json()["nearest"] for response in answered)
        assert max(reader.batches) >= 4
        assert client.post("/v1/ask", json=BURNS).status_code == 200  # it has recovered
        assert "rag_batch_questions_bucket" in client.get("/metrics").text


def test_a_batch_larger_than_the_queue_is_invalid(tmp_path: Path) -> None:
    with serving(tmp_path, queue=2) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        asked = [f"Who led talks number {number}?" for number in range(3)]
        response = client.post("/v1/ask/batch", json={"questions": asked})
        assert response.status_code == 422
        assert "retry-after" not in response.headers
        assert "3 questions" in response.json()["detail"]
        assert "RAG_QUEUE" in response.json()["hint"]
        assert client.post("/v1/ask/batch", json={"questions": asked[:2]}).status_code == 200


def test_equal_questions_are_read_once(tmp_path: Path) -> None:
    reader = SlowReader(0.4)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(12) as pool:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        responses = list(pool.map(lambda _: client.post("/v1/ask", json=BURNS), range(12)))
        assert {response.json()["answer"] for response in responses} == {"William Burns"}
        assert sum(reader.batches) <= 4


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.6)) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        response = client.post("/v1/ask", json={**BURNS, "deadline_ms": 100})
        assert response.status_code == 503
        assert response.json()["type"] == "urn:rag:deadline"
        assert response.elapsed.total_seconds() < 0.6
        streamed = client.post("/v1/ask", json={**BURNS, "deadline_ms": 100, "stream": True})
        assert events(streamed.text)[-1][0] == "error"


class PacedReader(NameReader):
    """Takes a fixed time per passage."""

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        time.sleep(0.15 * sum(len(hits) for _, hits in questions))
        return super().read_many(questions)


def test_a_late_answer_uses_the_passages_read_so_far(tmp_path: Path) -> None:
    with serving(tmp_path, PacedReader()) as client:
        for number in range(8):
            put_text(
                client,
                f"oman{number}.txt",
                f"The talks were led by William Burns in 20{number + 10}.",
            )
        client_deadline = client.post("/v1/ask", json={**BURNS, "top_k": 8, "deadline_ms": 600})
        assert client_deadline.status_code == 200
        found = client_deadline.json()
        assert found["answer"] == "William Burns"
        assert 1 <= found["passages_read"] < found["passages_found"] == len(found["nearest"]) == 8
        whole = client.post("/v1/ask", json={**BURNS, "top_k": 8}).json()
        assert whole["passages_read"] == whole["passages_found"] == 8


def test_disconnected_clients_are_not_read_for(tmp_path: Path) -> None:
    reader = SlowReader(1.0)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(8) as pool:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        first = pool.submit(client.post, "/v1/ask", json=BURNS)
        while not reader.batches:
            time.sleep(0.01)
        for _ in range(4):  # they wait behind the first one and give up
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/ask", json=BURNS, timeout=0.05)
        assert first.result().status_code == 200
        assert client.post("/v1/ask", json=BURNS).status_code == 200
        assert reader.batches == [1, 1]
