"""LangChain, LlamaIndex and Open WebUI against a real service."""

import json
from collections.abc import Iterator

import httpx
import pytest

QUESTION = "Who led the talks?"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """Without the proxies of the environment."""
    with httpx.Client(trust_env=False) as opened:
        yield opened


def test_langchain_reads_both_apis(client: httpx.Client, http: httpx.Client) -> None:
    langchain = pytest.importorskip("langchain_openai")
    options = {"base_url": f"{client.base_url}/v1", "api_key": "none", "model": "rag"}
    completions = langchain.ChatOpenAI(**options, http_client=http)
    assert completions.invoke(QUESTION).content.startswith("William Burns [1]\n\n[1] ")
    streamed = [str(chunk.content) for chunk in completions.stream(QUESTION)]
    assert "".join(streamed).startswith("William Burns [1]")
    rich = langchain.ChatOpenAI(**options, http_client=http, use_responses_api=True)
    (text,) = [block for block in rich.invoke(QUESTION).content if block["type"] == "text"]
    assert len(text["annotations"]) == 2


def test_llama_indexs_openai_like_model_reads_answers_and_streams(
    client: httpx.Client, http: httpx.Client
) -> None:
    openai_like = pytest.importorskip("llama_index.llms.openai_like")
    from llama_index.core.llms import ChatMessage

    model = openai_like.OpenAILike(
        model="rag",
        api_base=f"{client.base_url}/v1",
        api_key="none",
        is_chat_model=True,
        http_client=http,
    )
    messages = [ChatMessage(role="user", content=QUESTION)]
    content = model.chat(messages).message.content
    assert content.startswith("William Burns [1]\n\n[1] ")
    assert "".join(part.delta or "" for part in model.stream_chat(messages)) == content


def test_the_stream_is_what_open_webui_parses(client: httpx.Client) -> None:
    """Its middleware reads `delta.annotations` of `url_citation`s with a nested url and title."""
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "rag", "messages": messages, "stream": True}
    text = client.post("/v1/chat/completions", json=body).text
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines]
    (annotations,) = [delta["annotations"] for delta in deltas if delta.get("annotations")]
    assert annotations[0]["type"] == "url_citation"
    url = annotations[0]["url_citation"]["url"]
    assert url.startswith(f"{client.base_url}/#document=uploads%2Foman.txt")
