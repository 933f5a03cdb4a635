"""OpenAI's client against a real service, and other clients of the same endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import serving

openai = pytest.importorskip("openai")

ASKED: Any = [{"role": "user", "content": "Who led the talks?"}]
SENTENCE = "The talks were led by William Burns \U0001f54a in Muscat."


@pytest.fixture(scope="module")
def api(client: httpx.Client) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=f"{client.base_url}/v1", api_key="none", max_retries=0, http_client=httpx_free()
    ) as made:
        yield made


def httpx_free() -> Any:
    """Unset proxies, which would come between the client and this machine."""
    return openai.DefaultHttpxClient(trust_env=False)


def test_models_are_listed(api: Any) -> None:
    assert [model.id for model in api.models.list()] == ["rag"]
    assert api.models.retrieve("rag").owned_by == "rag"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9'"):
        api.models.retrieve("gpt-9")


def test_a_completion_quotes_and_annotates(api: Any, client: httpx.Client) -> None:
    done = api.chat.completions.create(
        model="rag", messages=ASKED, temperature=0.7, tools=[], max_tokens=5
    )
    (choice,) = done.choices
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    answer, _, quotes = choice.message.content.partition("\n\n")
    assert answer == "William Burns [1]"
    assert quotes == f"[1] oman (uploads/oman.txt): “{SENTENCE}”"
    (annotation,) = choice.message.annotations
    cited = annotation.url_citation
    assert choice.message.content[cited.start_index : cited.end_index] == "William Burns"
    place = {name: values[0] for name, values in parse_qs(urlsplit(cited.url).fragment).items()}
    text = client.get(f"/v1/documents/{place['document']}/text").text
    assert text[int(place["start"]) : int(place["end"])] == "William Burns"


def test_a_streamed_completion_is_the_same(api: Any) -> None:
    whole = api.chat.completions.create(model="rag", messages=ASKED).choices[0].message
    chunks = list(
        api.chat.completions.create(
            model="rag", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == whole.content
    (annotations,) = [found for delta in deltas if (found := getattr(delta, "annotations", None))]
    assert annotations == [annotation.model_dump() for annotation in whole.annotations]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 0


def test_not_found_is_a_message_without_annotations(api: Any) -> None:
    asked: Any = [{"role": "user", "content": "zebra giraffe okapi"}]
    message = api.chat.completions.create(model="rag", messages=asked).choices[0]
    assert message.message.content.startswith("Not found in the documents: ")
    assert "which do not answer the question:\n- " in message.message.content
    assert (message.message.annotations, message.message.refusal, message.finish_reason) == (
        [],
        None,
        "stop",
    )


def test_programs_know_a_refusal_by_a_field(api: Any) -> None:
    zebras: Any = [{"role": "user", "content": "zebra giraffe okapi"}]
    refused = api.chat.completions.create(model="rag", messages=zebras)
    assert refused.rag["found"] is False
    assert refused.rag["abstention_reason"] in refused.choices[0].message.content
    for stream in (False, True):
        done = api.chat.completions.create(model="rag", messages=ASKED, stream=stream)
        outcome = [chunk.rag for chunk in done if hasattr(chunk, "rag")] if stream else [done.rag]
        assert [(one["found"], one["form"]) for one in outcome] == [(True, "span")]
    assert api.responses.create(model="rag", input="zebra giraffe okapi").rag["found"] is False


def test_tools_are_refused_unless_none_is_to_be_called(api: Any) -> None:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    tools: Any = [{"type": "function", "function": function}]
    with pytest.raises(
        openai.BadRequestError, match=r"'function' are not supported.*connect .*/mcp"
    ):
        api.chat.completions.create(model="rag", messages=ASKED, tools=tools)
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        api.chat.completions.create(model="rag", messages=ASKED, functions=[function])
    done = api.chat.completions.create(model="rag", messages=ASKED, tools=tools, tool_choice="none")
    assert done.rag["found"]
    with pytest.raises(openai.BadRequestError, match="'web_search' are not supported"):
        api.responses.create(model="rag", input="Who?", tools=[{"type": "web_search"}])


def test_earlier_turns_are_the_context(api: Any) -> None:
    turns: Any = [{"role": "system", "content": "Be brief."}, *ASKED]
    said = api.chat.completions.create(model="rag", messages=turns).choices[0].message.content
    turns += [{"role": "assistant", "content": said}]
    turns += [{"role": "user", "content": [{"type": "text", "text": "And where?"}]}]
    response = api.responses.create(model="rag", input=[{**turn} for turn in turns])
    assert "talks" in response.output[0].queries[0]
    turns[-1]["content"] = "What did William Burns lead?"
    turns += [
        {"role": "assistant", "content": "The talks."},
        {"role": "user", "content": "Which city did he visit?"},
    ]
    response = api.responses.create(model="rag", input=[{**turn} for turn in turns])
    assert response.output[0].queries == ["Which city did William Burns visit?"]


def test_a_response_has_the_search_and_both_kinds_of_citation(
    api: Any, client: httpx.Client
) -> None:
    made = api.responses.create(model="rag", input="Who led the talks?", metadata={"a": "b"})
    searched, message = made.output
    assert (searched.type, searched.status) == ("file_search_call", "completed")
    best = searched.results[0]
    assert (best.file_id, best.filename) == ("uploads/oman.txt", "oman.txt")
    start, end = (int(best.attributes[f"{name}_char_index"]) for name in ("start", "end"))
    assert client.get("/v1/documents/uploads/oman.txt/text").text[start:end] == best.text
    assert made.output_text.startswith("William Burns [1]\n\n[1] ")
    files, links = message.content[0].annotations
    assert (files.type, files.file_id, files.index) == ("file_citation", "uploads/oman.txt", 13)
    assert made.output_text[links.start_index : links.end_index] == "William Burns"
    assert made.metadata == {"a": "b"}


def test_a_streamed_response_satisfies_the_stream_helper(api: Any) -> None:
    with api.responses.stream(model="rag", input="Who led the talks?") as stream:
        events = [event.type for event in stream]
        final = stream.get_final_response()
    assert events[0] == "response.created"
    assert events[-1] == "response.completed"
    assert "response.output_text.annotation.added" in events
    assert final.output_text.startswith("William Burns [1]")
    assert len(final.output[1].content[0].annotations) == 2


def test_a_response_obeys_its_file_search_tool(api: Any) -> None:
    tool: Any = {
        "type": "file_search",
        "vector_store_ids": ["default"],
        "max_num_results": 1,
        "filters": {"type": "eq", "key": "type", "value": "md"},
    }
    made = api.responses.create(model="rag", input="Who led the talks?", tools=[tool])
    assert {result.file_id for result in made.output[0].results} == {"uploads/lease.md"}
    with pytest.raises(openai.NotFoundError, match="no collection other"):
        api.responses.create(
            model="rag", input="Who?", tools=[{**tool, "vector_store_ids": ["other"]}]
        )


def test_a_vector_store_is_searched(api: Any, client: httpx.Client) -> None:
    assert [store.id for store in api.vector_stores.list()] == ["default"]
    assert api.vector_stores.retrieve("default").file_counts.total == 2
    found = list(api.vector_stores.search("default", query="secret talks", max_num_results=1))
    assert [(one.file_id, one.filename) for one in found] == [("uploads/oman.txt", "oman.txt")]
    attributes = found[0].attributes
    text = client.get("/v1/documents/uploads/oman.txt/text").text
    start, end = int(attributes["start_char_index"]), int(attributes["end_char_index"])
    assert text[start:end] == found[0].content[0].text
    assert attributes["type"] == "txt"
    several = list(
        api.vector_stores.search("default", query=["secret talks", "lease"], max_num_results=5)
    )
    assert [one.score for one in several] == sorted((one.score for one in several), reverse=True)
    assert {one.file_id for one in several} == {"uploads/oman.txt", "uploads/lease.md"}
    filtered = api.vector_stores.search(
        "default",
        query="secret talks",
        filters={"type": "and", "filters": [{"type": "ne", "key": "type", "value": "txt"}]},
    )
    assert {one.file_id for one in filtered} == {"uploads/lease.md"}
    high = api.vector_stores.search(
        "default", query="talks", ranking_options={"score_threshold": 1.0}
    )
    assert len(list(high)) <= 1


def test_embeddings_as_floats_and_as_base64(api: Any, client: httpx.Client) -> None:
    packed = api.embeddings.create(
        model="rag", input=["secret talks", "the lease"]
    )  # base64 is the client's default
    plain = client.post("/v1/embeddings", json={"input": "secret talks"}).json()
    first = np.asarray(packed.data[0].embedding)
    assert np.allclose(first, plain["data"][0]["embedding"])
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert [one.index for one in packed.data] == [0, 1]
    query = client.post("/v1/embeddings", json={"input": "secret talks", "input_type": "query"})
    assert query.json()["model"] == "bag-of-words"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/v1/chat/completions", {"messages": []}, 400, "messages"),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "system", "content": "x"}]},
            400,
            "role user",
        ),
        ("/v1/chat/completions", {"messages": ASKED, "n": 2}, 400, "n = 2"),
        ("/v1/chat/completions", {"messages": ASKED, "model": "gpt-9"}, 404, "gpt-9"),
        ("/v1/chat/completions", {"messages": ASKED, "model": "rag:other"}, 404, "other"),
        (
            "/v1/chat/completions",
            {"messages": ASKED, "response_format": {"type": "json_object"}},
            400,
            "json_object",
        ),
        (
            "/v1/chat/completions",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
                ]
            },
            400,
            "image_url",
        ),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "x" * 2000}]},
            400,
            "2,000 characters",
        ),
        ("/v1/responses", {"input": "x", "previous_response_id": "resp_1"}, 400, "items of input"),
        ("/v1/responses", {"input": [{"type": "reasoning"}]}, 400, "role user"),
        ("/v1/vector_stores/other/search", {"query": "x"}, 404, "other"),
        ("/v1/vector_stores/default/search", {"query": []}, 400, "0 queries"),
        (
            "/v1/vector_stores/default/search",
            {"query": "x", "filters": {"type": "or"}},
            400,
            "'or'",
        ),
        ("/v1/embeddings", {"input": [[1, 2]]}, 400, "input"),
        ("/v1/embeddings", {"input": ""}, 400, "empty"),
        ("/v1/embeddings", {"input": "x", "dimensions": 3}, 400, "dimensions"),
        ("/v1/models/gpt-9", None, 404, "gpt-9"),
    ],
)
def test_errors_have_openais_format(
    client: httpx.Client, path: str, body: Any, status: int, word: str
) -> None:
    answer = client.post(path, json=body) if body else client.get(path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"]


def test_a_key_is_required(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("reader", "read")
    with serving(tmp_path, key=token) as client:
        url = f"{client.base_url}/v1"
        with httpx_free() as http:
            stranger = openai.OpenAI(base_url=url, api_key="no", max_retries=0, http_client=http)
            with pytest.raises(openai.AuthenticationError, match="wrong or revoked"):
                stranger.models.list()
            known = openai.OpenAI(base_url=url, api_key=token, max_retries=0, http_client=http)
            with pytest.raises(openai.ConflictError, match="the index is empty"):
                known.chat.completions.create(model="rag", messages=ASKED)


def test_a_collection_is_a_model_and_a_vector_store(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        client.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        lease = {"name": "lease.txt", "text": "The lease of Ada Lovelace ends in May 2027."}
        client.post("/v1/collections/contracts/documents", json=lease).raise_for_status()
        with httpx_free() as http:
            own = openai.OpenAI(
                base_url=f"{client.base_url}/v1", api_key="x", max_retries=0, http_client=http
            )
            assert [model.id for model in own.models.list()] == ["rag", "rag:contracts"]
            assert [store.id for store in own.vector_stores.list()] == ["default", "contracts"]
            asked: Any = [{"role": "user", "content": "When does the lease end?"}]
            done = (
                own.chat.completions.create(model="rag:contracts", messages=asked)
                .choices[0]
                .message
            )
            assert "lease.txt" in done.content
            found = own.vector_stores.search("contracts", query="lease")
            assert [one.filename for one in found] == ["lease.txt"]
            with pytest.raises(openai.ConflictError, match="empty"):
                own.chat.completions.create(model="rag", messages=asked)
            below = openai.OpenAI(
                base_url=f"{client.base_url}/v1/collections/contracts",
                api_key="x",
                max_retries=0,
                http_client=http,
            )
            assert (
                below.chat.completions.create(model="rag", messages=asked).choices[0].message
                == done
            )
            with pytest.raises(openai.NotFoundError, match="no collection gone"):
                below.vector_stores.search("gone", query="lease")


def test_langchain_reads_both_apis(client: httpx.Client) -> None:
    langchain = pytest.importorskip("langchain_openai")
    with httpx_free() as http:
        given = {
            "base_url": f"{client.base_url}/v1",
            "api_key": "none",
            "model": "rag",
            "http_client": http,
        }
        plain = langchain.ChatOpenAI(**given)
        assert plain.invoke("Who led the talks?").content.startswith("William Burns [1]\n\n[1] ")
        streamed = [str(chunk.content) for chunk in plain.stream("Who led the talks?")]
        assert "".join(streamed).startswith("William Burns [1]")
        rich = langchain.ChatOpenAI(**given, use_responses_api=True).invoke("Who led the talks?")
        (text,) = [block for block in rich.content if block["type"] == "text"]
        assert len(text["annotations"]) == 2


def test_llama_indexs_openai_like_model_reads_answers_and_streams(client: httpx.Client) -> None:
    llama_index = pytest.importorskip("llama_index.llms.openai_like")
    from llama_index.core.llms import ChatMessage

    asked = [ChatMessage(role="user", content="Who led the talks?")]
    with httpx_free() as http:
        model = llama_index.OpenAILike(
            model="rag",
            api_base=f"{client.base_url}/v1",
            api_key="none",
            is_chat_model=True,
            http_client=http,
        )
        said = model.chat(asked).message.content
        assert said.startswith("William Burns [1]\n\n[1] ")
        assert "".join(part.delta or "" for part in model.stream_chat(asked)) == said


def test_dify_gets_records(client: httpx.Client) -> None:
    asked = {
        "knowledge_id": "default",
        "query": "secret talks",
        "retrieval_setting": {"top_k": 2, "score_threshold": 0.0},
        "metadata_condition": {
            "conditions": [{"name": ["type"], "comparison_operator": "is", "value": "txt"}],
        },
    }
    (record,) = client.post("/v1/dify/retrieval", json=asked).json()["records"]
    assert set(record) == {"content", "score", "title", "metadata"}
    meta = record["metadata"]
    text = client.get(f"/v1/documents/{meta['document_id']}/text").text
    assert text[meta["start_char_index"] : meta["end_char_index"]] == record["content"]
    none = {**asked, "retrieval_setting": {"top_k": 2, "score_threshold": 1.1}}
    assert client.post("/v1/dify/retrieval", json=none).json() == {"records": []}


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"knowledge_id": "other"}, 404, "other"),
        ({"query": ""}, 422, "empty"),
        (
            {
                "metadata_condition": {
                    "conditions": [{"name": ["a"], "comparison_operator": "start with"}]
                }
            },
            422,
            "start with",
        ),
        ({"retrieval_setting": {"top_k": "many"}}, 422, "top_k"),
    ],
)
def test_errors_have_difys_format(
    client: httpx.Client, change: Any, status: int, word: str
) -> None:
    answer = client.post(
        "/v1/dify/retrieval", json={"knowledge_id": "default", "query": "x", **change}
    )
    assert answer.status_code == status
    assert word in answer.json()["error_msg"]
    assert isinstance(answer.json()["error_code"], int)


def test_the_stream_is_what_open_webui_parses(client: httpx.Client) -> None:
    """Its middleware reads `delta.annotations` of `url_citation`s with a nested url and title."""
    body = {"model": "rag", "messages": ASKED, "stream": True}
    lines = [
        line for line in client.post("/v1/chat/completions", json=body).text.split("\n\n") if line
    ]
    assert lines[-1] == "data: [DONE]"
    deltas = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines[:-1]]
    (annotations,) = [delta["annotations"] for delta in deltas if delta.get("annotations")]
    assert annotations[0]["type"] == "url_citation"
    assert annotations[0]["url_citation"]["url"].startswith(
        f"{client.base_url}/#document=uploads%2Foman.txt"
    )
