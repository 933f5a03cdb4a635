import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.server.fake_server import SlowReader, put_text, serving


class BreakingReader(SlowReader):
    """Fails on one question, as a model might."""

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        if "poison" in question:
            raise RuntimeError("a shape that no layer takes")
        return super().read(question, hits)


def test_a_failing_question_fails_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = BreakingReader(0.2)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(6) as pool:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        asked = [f"Who led the talks {number}?" for number in range(5)] + ["poison"]
        responses = list(
            pool.map(lambda question: client.post("/v1/ask", json={"question": question}), asked)
        )
        assert [response.status_code for response in responses] == [200] * 5 + [500]
        problem = responses[-1].json()
        assert problem["type"] == "urn:rag:unforeseen"
        assert "shape" not in responses[-1].text
        assert client.post("/v1/ask", json={"question": asked[0]}).status_code == 200
    assert max(reader.batches) > 1
    assert "a shape that no layer takes" in caplog.text


def test_a_failing_stream_ends_with_the_same_problem(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path, BreakingReader(0.0)) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        plain, streamed = (
            client.post(
                "/v1/ask",
                json={"question": "poison", "stream": stream},
                headers={"X-Request-ID": "r1"},
            )
            for stream in (False, True)
        )
        *_, name, data, _, _ = streamed.text.split("\n")
        assert (plain.status_code, streamed.status_code, name) == (500, 200, "event: error")
        assert json.loads(data.removeprefix("data: ")) == plain.json()
    assert caplog.text.count("request r1 failed") == 2
