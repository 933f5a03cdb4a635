"""OpenAI's client against a real service, and Dify's requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest

from tests.server.conftest import LEASE, OMAN
from tests.server.fake_server import add_key, serving

openai = pytest.importorskip("openai")

QUESTION, ZEBRAS = "Who led the talks?", "zebra giraffe okapi"
SENTENCE = "The talks were led by William Burns \U0001f54a in Muscat."
ASKED: Any = [{"role": "user", "content": QUESTION}]
FUNCTION: Any = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "x"}}


def api_of(client: httpx.Client, path: str = "", key: str = "none") -> Any:
    """OpenAI's client, without the proxies of the environment."""
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"{client.base_url}/v1{path}"
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, http_client=http)


@pytest.fixture(scope="module")
def api(client: httpx.Client) -> Iterator[Any]:
    with api_of(client) as opened:
        yield opened


def chat(api: Any, question: str = QUESTION, model: str = "rag", **options: Any) -> Any:
    messages = [{"role": "user", "content": question}]
    return api.chat.completions.create(model=model, messages=messages, **options)


def respond(api: Any, text: Any = QUESTION, **options: Any) -> Any:
    return api.responses.create(model="rag", input=text, **options)


def test_a_completion_quotes_and_annotates_streamed_or_not(api: Any, client: httpx.Client) -> None:
    completion = chat(api, temperature=0.7, tools=[], max_tokens=5)
    (choice,) = completion.choices
    content = choice.message.content
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert content == f"William Burns [1]\n\n[1] oman (uploads/oman.txt): “{SENTENCE}”"
    (annotation,) = choice.message.annotations
    cited = annotation.url_citation
    assert content[cited.start_index : cited.end_index] == "William Burns"
    assert cited.url.startswith(f"{client.base_url}/#document=uploads%2Foman.txt")
    place = parse_qs(urlsplit(cited.url).fragment)
    assert OMAN[int(place["start"][0]) : int(place["end"][0])] == "William Burns"

    chunks = list(chat(api, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == content
    # Open WebUI reads them there
    streamed = [delta.annotations for delta in deltas if hasattr(delta, "annotations")]
    assert streamed == [[annotation.model_dump()]]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 0
    outcomes = [completion.rag, *(chunk.rag for chunk in chunks if hasattr(chunk, "rag"))]
    assert [(outcome["found"], outcome["form"]) for outcome in outcomes] == [(True, "span")] * 2


def test_a_refusal_is_a_message_and_a_field(api: Any) -> None:
    refused = chat(api, ZEBRAS)
    (choice,) = refused.choices
    assert choice.message.content.startswith("Not found in the documents: ")
    assert "which do not answer the question:\n- " in choice.message.content
    assert (choice.message.annotations, choice.message.refusal) == ([], None)
    assert choice.finish_reason == "stop"
    assert refused.rag["found"] is False
    assert refused.rag["abstention_reason"] in choice.message.content
    assert respond(api, ZEBRAS).rag["found"] is False


def test_tools_are_refused_unless_none_is_to_be_called(api: Any) -> None:
    tools: Any = [{"type": "function", "function": FUNCTION}]
    with pytest.raises(openai.BadRequestError, match=r"'function' are not .*connect .*/mcp"):
        chat(api, tools=tools)
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        chat(api, functions=[FUNCTION])
    assert chat(api, tools=tools, tool_choice="none").rag["found"]
    with pytest.raises(openai.BadRequestError, match="'web_search' are not supported"):
        respond(api, tools=[{"type": "web_search"}])


def test_earlier_turns_are_the_context(api: Any) -> None:
    turns: Any = [{"role": "system", "content": "Be brief."}, *ASKED]
    turns += [
        {"role": "assistant", "content": chat(api).choices[0].message.content},
        {"role": "user", "content": [{"type": "text", "text": "And where?"}]},
    ]
    assert "talks" in respond(api, turns).output[0].queries[0]


def test_a_response_has_the_search_and_both_kinds_of_citation(api: Any) -> None:
    response = respond(api, metadata={"a": "b"})
    searched, message = response.output
    assert (searched.type, searched.status) == ("file_search_call", "completed")
    top_result = searched.results[0]
    assert (top_result.file_id, top_result.filename) == ("uploads/oman.txt", "oman.txt")
    start, end = (int(top_result.attributes[f"{name}_char_index"]) for name in ("start", "end"))
    assert OMAN[start:end] == top_result.text
    assert response.output_text.startswith("William Burns [1]\n\n[1] ")
    file, link = message.content[0].annotations
    assert (file.type, file.file_id, file.index) == ("file_citation", "uploads/oman.txt", 13)
    assert response.output_text[link.start_index : link.end_index] == "William Burns"
    assert response.metadata == {"a": "b"}

    with api.responses.stream(model="rag", input=QUESTION) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_response()
    assert (events[0], events[-1]) == ("response.created", "response.completed")
    assert "response.output_text.annotation.added" in events
    assert final.output_text == response.output_text
    assert len(final.output[1].content[0].annotations) == 2


def test_a_response_obeys_its_file_search_tool(api: Any) -> None:
    only_md = {"type": "eq", "key": "type", "value": "md"}
    tool: Any = {"type": "file_search", "vector_store_ids": ["default"], "filters": only_md}
    (result,) = respond(api, tools=[{**tool, "max_num_results": 1}]).output[0].results
    assert result.file_id == "uploads/lease.md"
    with pytest.raises(openai.NotFoundError, match="no collection other"):
        respond(api, tools=[{**tool, "vector_store_ids": ["other"]}])


def test_a_vector_store_is_searched(api: Any) -> None:
    def search(query: Any, **options: Any) -> list[Any]:
        return list(api.vector_stores.search("default", query=query, **options))

    assert api.vector_stores.retrieve("default").file_counts.total == 2
    (top_result,) = search("secret talks", max_num_results=1)
    assert (top_result.file_id, top_result.filename) == ("uploads/oman.txt", "oman.txt")
    start, end = (int(top_result.attributes[f"{name}_char_index"]) for name in ("start", "end"))
    assert OMAN[start:end] == top_result.content[0].text
    assert top_result.attributes["type"] == "txt"
    results = search(["secret talks", "lease"], max_num_results=5)
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert {result.file_id for result in results} == {"uploads/oman.txt", "uploads/lease.md"}
    no_text: Any = {"type": "and", "filters": [{"type": "ne", "key": "type", "value": "txt"}]}
    (filtered,) = search("secret talks", filters=no_text)
    assert filtered.file_id == "uploads/lease.md"
    assert len(search("talks", ranking_options={"score_threshold": 1.0})) <= 1


def test_embeddings_as_floats_and_as_base64(api: Any, client: httpx.Client) -> None:
    packed = api.embeddings.create(model="rag", input=["secret talks", "lease"])  # in base64
    as_floats = client.post("/v1/embeddings", json={"input": "secret talks"}).json()
    vector = np.asarray(packed.data[0].embedding)
    assert np.allclose(vector, as_floats["data"][0]["embedding"])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert [row.index for row in packed.data] == [0, 1]
    query = client.post("/v1/embeddings", json={"input": "secret talks", "input_type": "query"})
    assert query.json()["model"] == "bag-of-words"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("chat/completions", {"messages": []}, 400, "messages"),
        ("chat/completions", {"messages": [{"role": "system"}]}, 400, "role user"),
        ("chat/completions", {"messages": ASKED, "n": 2}, 400, "n = 2"),
        ("chat/completions", {"messages": ASKED, "model": "gpt-9"}, 404, "gpt-9"),
        ("chat/completions", {"messages": ASKED, "model": "rag:other"}, 404, "other"),
        ("chat/completions", {"messages": ASKED, "response_format": {"type": "y"}}, 400, "'y'"),
        ("chat/completions", {"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "image_"),
        ("responses", {"input": "x" * 2000}, 400, "2,000 characters"),
        ("responses", {"input": "x", "previous_response_id": "resp_1"}, 400, "items of input"),
        ("responses", {"input": [{"type": "reasoning"}]}, 400, "role user"),
        ("vector_stores/other/search", {"query": "x"}, 404, "other"),
        ("vector_stores/default/search", {"query": []}, 400, "0 queries"),
        ("vector_stores/default/search", {"query": "x", "filters": {"type": "or"}}, 400, "'or'"),
        ("embeddings", {"input": [[1, 2]]}, 400, "input"),
        ("embeddings", {"input": ""}, 400, "empty"),
        ("embeddings", {"input": "x", "dimensions": 3}, 400, "dimensions"),
        ("models/gpt-9", None, 404, "gpt-9"),
    ],
)
def test_errors_have_openais_format(
    client: httpx.Client, path: str, body: Any, status: int, word: str
) -> None:
    answer = client.post(f"/v1/{path}", json=body) if body else client.get(f"/v1/{path}")
    assert answer.status_code == status
    error = answer.json()["error"]
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"]


def test_a_collection_is_a_model_and_a_vector_store_for_a_key(tmp_path: Path) -> None:
    token = add_key(tmp_path, "write")
    with serving(tmp_path, key=token) as client:
        with api_of(client) as stranger, pytest.raises(openai.AuthenticationError, match="wrong"):
            stranger.models.list()
        client.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        question, collection_path = "When does the lease end?", "/collections/contracts"
        lease = {"name": "lease.md", "text": LEASE}
        client.post(f"/v1{collection_path}/documents", json=lease).raise_for_status()
        with (
            api_of(client, "", token) as api,
            api_of(client, collection_path, token) as of_collection,
        ):
            assert [model.id for model in api.models.list()] == ["rag", "rag:contracts"]
            assert api.models.retrieve("rag:contracts").owned_by == "rag"
            assert [store.id for store in api.vector_stores.list()] == ["default", "contracts"]
            message = chat(api, question, "rag:contracts").choices[0].message
            assert "lease.md" in message.content
            (result,) = api.vector_stores.search("contracts", query="lease")
            assert result.filename == "lease.md"
            with pytest.raises(openai.ConflictError, match="the index is empty"):
                chat(api, question)
            assert chat(of_collection, question).choices[0].message == message
            with pytest.raises(openai.NotFoundError, match="no collection gone"):
                of_collection.vector_stores.search("gone", query="lease")


def test_dify_gets_records(client: httpx.Client) -> None:
    is_text = {"name": ["type"], "comparison_operator": "is", "value": "txt"}
    body: dict[str, Any] = {"knowledge_id": "default", "query": "secret talks"}
    body["metadata_condition"] = {"conditions": [is_text]}
    (record,) = client.post("/v1/dify/retrieval", json=body).json()["records"]
    assert set(record) == {"content", "score", "title", "metadata"}
    place = record["metadata"]
    assert place["document_id"] == "uploads/oman.txt"
    assert OMAN[place["start_char_index"] : place["end_char_index"]] == record["content"]
    body["retrieval_setting"] = {"top_k": 2, "score_threshold": 1.1}
    assert client.post("/v1/dify/retrieval", json=body).json() == {"records": []}


UNKNOWN = {"conditions": [{"name": ["a"], "comparison_operator": "start with"}]}


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"knowledge_id": "other"}, 404, "other"),
        ({"query": ""}, 422, "empty"),
        ({"metadata_condition": UNKNOWN}, 422, "start with"),
        ({"retrieval_setting": {"top_k": "many"}}, 422, "top_k"),
    ],
)
def test_errors_have_difys_format(
    client: httpx.Client, change: Any, status: int, word: str
) -> None:
    body = {"knowledge_id": "default", "query": "x", **change}
    answer = client.post("/v1/dify/retrieval", json=body)
    assert answer.status_code == status
    assert word in answer.json()["error_msg"]
    assert isinstance(answer.json()["error_code"], int)
