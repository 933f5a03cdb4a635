"""`/v1/check` of a running service."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.server.fake_server import put_text, serving

OMAN = (
    "Oman hosted the secret talks in 2012. The talks were led by William Burns \U0001f54a in "
    "Muscat."
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("checked")) as made:
        put_text(made, "oman.txt", OMAN)
        yield made


def test_each_sentence_has_a_verdict_and_evidence_at_its_place(client: httpx.Client) -> None:
    text = (
        "# Talks\n\nThe talks were led by William Burns in Muscat. Oman hosted the secret "
        "talks in 2018."
    )
    found = client.post("/v1/check", json={"text": text}).json()
    assert [text[one["start"] : one["end"]] for one in found["sentences"]] == [
        "# Talks",
        "The talks were led by William Burns in Muscat.",
        "Oman hosted the secret talks in 2018.",
    ]
    assert [one["verdict"] for one in found["sentences"]][0::2] == ["not_a_claim", "contradicted"]
    assert found["sentences"][2]["reason"] == 'says "2018", uploads/oman.txt says "2012"'
    for one in found["sentences"]:
        for evidence in one["evidence"]:
            document = client.get(f"/v1/documents/{evidence['document_id']}/text").text
            place = slice(evidence["start_char_index"], evidence["end_char_index"])
            assert document[place] == evidence["cited_text"]
    assert found["counts"]["contradicted"] == 1


def test_quotations_have_verdicts_and_places(client: httpx.Client) -> None:
    text = "The note says “Oman hosted the secret talks in 2018.” [1]\n"
    source = {"index": 1, "document_id": "uploads/oman.txt"}
    found = client.post("/v1/check", json={"text": text, "sources": [source]}).json()
    (quotation,) = found["quotations"]
    assert quotation["verdict"] == "altered"
    assert quotation["differs"] == [["2018", "2012"]]
    assert text[quotation["start"] : quotation["end"]] == quotation["text"]
    (place,) = quotation["places"]
    assert place["cited_text"] == OMAN[place["start_char_index"] : place["end_char_index"]]
    assert found["quotation_counts"] == {
        **dict.fromkeys(("exact", "stitched", "cut", "misattributed", "not_found"), 0),
        **{"altered": 1, "faults": 1},
    }


def test_many_quotation_marks_are_checked_within_the_deadline(client: httpx.Client) -> None:
    for text in ('"' * 10_000, "“" + "word and " * 20_000, "“a b c d” " * 2_500):
        done = client.post("/v1/check", json={"text": text, "deadline_ms": 1000}, timeout=60)
        assert done.status_code in (200, 422, 503), done.text


def test_sources_resolve_marks(client: httpx.Client) -> None:
    text = "Oman hosted the secret talks in 2012. [3]"
    source = {"index": 3, "document_id": "uploads/oman.txt"}
    found = client.post("/v1/check", json={"text": text, "sources": [source]}).json()
    assert found["sentences"][0]["cited"] == [3]
    assert not found["sentences"][0]["wrong_citation"]


@pytest.mark.parametrize(
    "body",
    [{}, {"text": ""}, {"text": "Is it?"}, {"text": "A b c.", "filters": ["x"]}, {"txt": ""}],
)
def test_uncheckable_texts_get_422_with_a_reason(
    client: httpx.Client, body: dict[str, object]
) -> None:
    found = client.post("/v1/check", json=body)
    assert found.status_code == 422
    assert found.json()["detail"]


def test_a_deadline_is_kept(client: httpx.Client) -> None:
    text = "Oman hosted the secret talks in 2012. " * 400
    found = client.post("/v1/check", json={"text": text, "deadline_ms": 1})
    assert (found.status_code, found.json()["type"]) == (503, "urn:rag:deadline")
