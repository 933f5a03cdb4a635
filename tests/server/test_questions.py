"""`/v1/ask`, `/v1/search`, `/v1/verify` and `/v1/check`: answers, errors, the queue, deadlines."""

import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low as median
from typing import Any

import httpx
import pytest

from rag.models.reader import ExtractiveReader
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests import tiny
from tests.fakes import NameReader
from tests.server.conftest import OMAN
from tests.server.fake_server import SlowReader, put_text, serving, wait_until

BURNS = {"question": "Who led the talks?", "top_k": 3}
TALKS = "The talks were led by William Burns."
JSON = {"Content-Type": "application/json"}


def place_of(value: dict[str, Any]) -> slice:
    return slice(value["start_char_index"], value["end_char_index"])


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in blocks
    ]


def test_an_answer_names_its_place_streamed_or_not(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json=BURNS).json()
    assert answer["answer"] == "William Burns"
    (citation,) = answer["citations"]
    assert (citation["index"], citation["document_id"]) == (1, "uploads/oman.txt")
    assert OMAN[place_of(citation["highlight"])] == citation["highlight"]["text"] == "William Burns"
    assert OMAN[place_of(citation)] == citation["cited_text"] == OMAN[30:]
    assert answer["answer"][citation["start"] : citation["end"]] == "William Burns"
    document = client.get("/v1/documents/uploads/oman.txt").json()
    assert citation["document_sha256"] == document["sha256"]
    assert answer["nearest"][0]["scores"]["score"] == citation["scores"]["score"]
    assert set(answer["timings_ms"]) == {"retrieve", "read", "compose"}
    assert any("William Burns" in line for line in answer["explain"])
    assert answer["receipt"]["documents"]["uploads/oman.txt"]
    assert answer["receipt"]["generation"] == answer["generation"]

    response = client.post("/v1/ask", json={**BURNS, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    (results, cited, final, ending) = events(response.text)
    assert results == ("search_results", {"hits": answer["nearest"]})
    assert cited == ("citation", citation)
    assert (final[0], final[1] | {"timings_ms": 0}) == ("final_answer", answer | {"timings_ms": 0})
    assert ending == ("done", {})


def test_not_found_has_a_reason_and_the_closest_passages(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json={"question": "zebra giraffe okapi"}).json()
    assert (answer["answer"], answer["citations"]) == (None, [])
    assert answer["abstention_reason"]
    assert answer["nearest"]


def test_filters_choose_documents(client: httpx.Client) -> None:
    answer = client.post("/v1/ask", json={**BURNS, "filters": ["document=uploads/lease.md"]}).json()
    assert {hit["document_id"] for hit in answer["nearest"]} == {"uploads/lease.md"}
    misspelt = {"filters": ["tpye=pdf"]}
    for response in (
        client.post("/v1/ask", json={**BURNS, **misspelt}),
        client.post("/v1/search", json={**BURNS, **misspelt}),
        client.post("/v1/check", json={"text": "Burns led the talks.", **misspelt}),
        client.get("/v1/documents", params={"filter": "tpye!=pdf"}),
    ):
        assert response.status_code == 422, response.text
        assert response.json()["detail"].startswith("no document has 'tpye'")
        assert "did you mean type?" in response.json()["hint"]
    wrong = client.post("/v1/ask", json={**BURNS, "filters": ["nonsense"]})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:rag:input")


def test_a_batch_is_answered_in_its_order(client: httpx.Client) -> None:
    questions = ["Who led the talks?", "When does the lease end?", "Who led the talks?"]
    answers = client.post("/v1/ask/batch", json={"questions": questions}).json()["answers"]
    assert [answer["question"] for answer in answers] == questions
    assert answers[0]["answer"] == answers[2]["answer"] == "William Burns"


def test_search_reads_nothing(client: httpx.Client) -> None:
    results = client.post("/v1/search", json={"question": "secret talks", "top_k": 1}).json()
    (hit,) = results["hits"]
    assert (hit["document_id"], hit["scores"]["lexical_rank"]) == ("uploads/oman.txt", 1)
    assert results["generation"] >= 2


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"{}", 422, "the field `question` is missing"),
        (b'{"question": "   "}', 422, "empty"),
        (b'{"question": "%s"}' % (b"x" * 1001), 422, "1,001 characters"),
        (b'{"question": "?", "top_k": true}', 422, "`top_k` is wrong"),
        (b'{"question": "?", "topK": 3}', 422, "the field `topK` is not known"),
        (b'{"question": "?", "\\ud800": 1}', 422, "body"),
        (b'{"question": "?", "deadline_ms": Infinity}', 422, "deadline_ms"),
        (b'{"question": "bad \\ud800"}', 422, "question"),
        (b"[]", 422, "body"),
        (b'{"question": "x"', 400, "JSON"),
        (b'{"question": "\xff"}', 400, ""),
        (b"[" * 20_000, 400, "parsing the body"),
        (b"[" * 100_000, 413, "more than 30,000 fields and items"),
        (b'{"top_k":' + b"9" * 5000 + b"}", 400, "parsing the body"),
    ],
)
def test_invalid_questions_are_problems(
    client: httpx.Client, content: bytes, status: int, word: str
) -> None:
    response = client.post("/v1/ask", content=content, headers=JSON)
    problem = response.json()
    assert response.status_code == status == problem["status"], problem
    assert response.headers["content-type"] == "application/problem+json"
    assert word in problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def test_a_body_without_its_media_type_is_explained(client: httpx.Client) -> None:
    unsaid = client.post("/v1/ask", content=b'{"question": "x"}').json()
    assert unsaid["status"] == 415
    assert "Content-Type: application/json" in unsaid["hint"]


def test_a_citation_can_be_verified_later(client: httpx.Client) -> None:
    put_text(client, "moving.txt", "The cat is called Minka.")
    question = {"question": "What is the cat called?", "top_k": 1}
    (citation,) = client.post("/v1/ask", json=question).json()["citations"]
    put_text(client, "moving.txt", "Dogs bark. The cat is called Minka.")
    moved = client.post("/v1/verify", json=citation).json()
    assert (moved["status"], moved["edited"]) == ("moved", True)
    assert moved["start_char_index"] == citation["highlight"]["start_char_index"] + 11
    client.delete("/v1/documents/uploads/moving.txt")
    assert client.post("/v1/verify", json=citation).json()["status"] == "missing"
    half = json.dumps(citation | {"highlight": citation["highlight"] | {"text": "\ud800"}})
    assert client.post("/v1/verify", content=half, headers=JSON).status_code == 422


@pytest.mark.parametrize(
    ("start", "end", "outcome"),
    [
        (-4, 0, "`highlight"),
        (0, 10**9, f"its text has 4 characters, but its offsets span {10**9}"),
        (10**30, 10**31, "its text has 4 characters, but its offsets span"),
        (4, 0, "its text has 4 characters, but its offsets span -4"),
        (0, 17, "its text has 4 characters, but its offsets span 17"),
        (0, 16, "changed"),
        (0, 3, "changed"),
        (0, 4, "ok"),
    ],
)
def test_offsets_must_fit_the_text(
    client: httpx.Client, start: int, end: int, outcome: str
) -> None:
    place = {"text": "Oman", "start_char_index": start, "end_char_index": end}
    body = {"document_id": "uploads/oman.txt", "highlight": place}
    response = client.post("/v1/verify", json=body)
    if response.status_code == 422:
        assert outcome in response.json()["detail"]
    else:
        assert response.json()["status"] == outcome


def test_concurrent_questions_share_batches_and_too_many_are_refused(tmp_path: Path) -> None:
    reader = SlowReader(0.4)
    with serving(tmp_path, reader, queue=6) as client, ThreadPoolExecutor(20) as pool:
        of_empty_index = client.post("/v1/ask", json=BURNS)
        assert (of_empty_index.status_code, of_empty_index.json()["type"]) == (409, "urn:rag:empty")
        put_text(client, "oman.txt", TALKS)
        bodies = [{"question": f"Who led talks number {number}?"} for number in range(20)]
        responses = list(pool.map(lambda body: client.post("/v1/ask", json=body), bodies))
        refused = [response for response in responses if response.status_code == 503]
        answered = [response for response in responses if response.status_code == 200]
        assert len(refused) + len(answered) == 20
        assert refused
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
        longest = median(response.elapsed for response in answered)
        assert median(response.elapsed for response in refused) < longest
        assert all(response.json()["nearest"] for response in answered)
        assert max(reader.batches) >= 4
        assert client.post("/v1/ask", json=BURNS).status_code == 200  # it has recovered
        assert "rag_batch_questions_bucket" in client.get("/metrics").text

        questions = [body["question"] for body in bodies[:7]]
        response = client.post("/v1/ask/batch", json={"questions": questions})
        assert (response.status_code, "retry-after" in response.headers) == (422, False)
        assert "7 questions" in response.json()["detail"]
        assert "RAG_QUEUE" in response.json()["hint"]


def test_equal_questions_are_read_once(tmp_path: Path) -> None:
    reader = SlowReader(0.4)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(12) as pool:
        put_text(client, "oman.txt", TALKS)
        responses = list(pool.map(lambda _: client.post("/v1/ask", json=BURNS), range(12)))
        assert {response.json()["answer"] for response in responses} == {"William Burns"}
        assert sum(reader.batches) <= 4


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.6)) as client:
        put_text(client, "oman.txt", TALKS)
        response = client.post("/v1/ask", json={**BURNS, "deadline_ms": 100})
        assert (response.status_code, response.json()["type"]) == (503, "urn:rag:deadline")
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
            text = f"The talks were led by William Burns in 20{number + 10}."
            put_text(client, f"oman{number}.txt", text)
        in_time = client.post("/v1/ask", json={**BURNS, "top_k": 8, "deadline_ms": 600}).json()
        assert in_time["answer"] == "William Burns"
        assert (
            1
            <= in_time["passages_read"]
            < in_time["passages_found"]
            == len(in_time["nearest"])
            == 8
        )
        complete = client.post("/v1/ask", json={**BURNS, "top_k": 8}).json()
        assert complete["passages_read"] == complete["passages_found"] == 8


def test_disconnected_clients_are_not_read_for(tmp_path: Path) -> None:
    reader = SlowReader(1.0)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(8) as pool:
        put_text(client, "oman.txt", TALKS)
        answered = pool.submit(client.post, "/v1/ask", json=BURNS)
        wait_until(lambda: reader.batches)
        for _ in range(4):  # they wait behind the first one and give up
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/ask", json=BURNS, timeout=0.05)
        assert answered.result().status_code == 200
        assert client.post("/v1/ask", json=BURNS).status_code == 200
        assert reader.batches == [1, 1]


def check(client: httpx.Client, text: str, **body: Any) -> Any:
    return client.post("/v1/check", json={"text": text, **body}, timeout=60).json()


def test_each_sentence_has_a_verdict_and_evidence_at_its_place(client: httpx.Client) -> None:
    sentences = ["# Talks", "The talks were led by William Burns.", "The lease ends in May 2031."]
    text = f"{sentences[0]}\n\n{sentences[1]} {sentences[2]} [3]"
    source = {"index": 3, "document_id": "uploads/lease.md"}
    report = check(client, text, sources=[source])
    places = [text[row["start"] : row["end"]] for row in report["sentences"]]
    assert [place.removesuffix(" [3]") for place in places] == sentences
    title, _, lease = report["sentences"]
    assert (title["verdict"], lease["verdict"]) == ("not_a_claim", "contradicted")
    assert re.fullmatch(r'says ".*2031", uploads/lease.md says ".*2027"', lease["reason"])
    assert (lease["cited"], lease["wrong_citation"]) == ([3], False)
    assert report["counts"]["contradicted"] == 1
    for evidence in [evidence for row in report["sentences"] for evidence in row["evidence"]]:
        document = client.get(f"/v1/documents/{evidence['document_id']}/text").text
        place = slice(evidence["start_char_index"], evidence["end_char_index"])
        assert document[place] == evidence["cited_text"]


def test_quotations_have_verdicts_and_places(client: httpx.Client) -> None:
    text = "The contract says “The lease ends in June 2027.” [1]\n"
    source = {"index": 1, "document_id": "uploads/lease.md"}
    report = check(client, text, sources=[source])
    (quotation,) = report["quotations"]
    assert (quotation["verdict"], quotation["is_fault"]) == ("altered", True)
    assert quotation["differs"] == [["June", "May"]]
    assert text[quotation["start"] : quotation["end"]] == quotation["text"]
    (place,) = quotation["places"]
    document = client.get("/v1/documents/uploads/lease.md/text").text
    assert document[place["start_char_index"] : place["end_char_index"]] == place["cited_text"]
    counts = report["quotation_counts"]
    assert {name for name, count in counts.items() if count} == {"altered", "faults"}


def test_a_file_is_checked_and_comes_back_marked(client: httpx.Client) -> None:
    document_count = client.get("/v1/documents").json()["total"]
    content = "<main><p>It says ‘The lease ends in June 2027.’</p><p>Talks were led.</p></main>"
    files = {"file": ("brief.html", content.encode(), "text/html")}
    query = {"quotations_only": True}
    report = client.post("/v1/check/file", files=files, params=query, timeout=60).json()
    (quotation,) = report["quotations"]
    assert (quotation["verdict"], quotation["text"]) == ("altered", "The lease ends in June 2027.")
    assert report["sentences"] == []
    marked = client.post("/v1/check/file", files=files, params=query | {"format": "html"})
    assert marked.headers["content-disposition"].startswith("attachment")
    assert '<q class="fault">The lease ends in June 2027.</q>' in marked.text
    assert "Talks were led." in marked.text
    broken = client.post("/v1/check/file", files={"file": ("a.docx", b"PK broken")})
    assert (broken.status_code, "a.docx" in broken.json()["detail"]) == (422, True)
    assert client.get("/v1/documents").json()["total"] == document_count, "the file is not kept"


@pytest.mark.parametrize(
    "text", ['"' * 10_000, "“" + "word and " * 20_000, "“a b c d” " * 2_500, "A b c. " * 400]
)
def test_a_check_keeps_its_deadline(client: httpx.Client, text: str) -> None:
    body = {"text": text, "deadline_ms": 1 if "A b" in text else 1000}
    response = client.post("/v1/check", json=body, timeout=60)
    assert response.status_code in (200, 422, 503)
    if body["deadline_ms"] == 1:
        assert (response.status_code, response.json()["type"]) == (503, "urn:rag:deadline")


@pytest.mark.parametrize(
    "body", [{}, {"text": "Is it?"}, {"text": "A b c.", "filters": ["x"]}, {"txt": ""}]
)
def test_uncheckable_texts_get_422_with_a_reason(client: httpx.Client, body: Any) -> None:
    refused = client.post("/v1/check", json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_verdict_on_a_condition_has_its_field(tmp_path: Path, stream: bool) -> None:
    reader = ExtractiveReader(str(tiny.four_verdicts(tmp_path)))
    with serving(tmp_path / "index", reader, threshold=0.0) as client:
        put_text(client, "pool.txt", "Dogs may swim on Sundays. Bring a towel.")
        body = {"question": "May dogs swim?", "form": "yes_no", "stream": stream}
        response = client.post("/v1/ask", json=body)
        answer = dict(events(response.text))["final_answer"] if stream else response.json()
    assert (answer["verdict"], answer["value"]["kind"]) == ("condition", "condition")
    assert answer["answer"] == f"On a condition. {answer['value']['text']}"
    assert answer["form"] == "yes_no"
