"""`/v1/check` of a running service."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest


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


@pytest.mark.parametrize(
    "text", ['"' * 10_000, "“" + "word and " * 20_000, "“a b c d” " * 2_500, "A b c. " * 400]
)
def test_a_deadline_is_kept(client: httpx.Client, text: str) -> None:
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
