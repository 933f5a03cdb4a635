"""A real HTTP server with OpenAI's API whose answers a test determines."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.http_server import Handler, at_free_port, listening

Model = Callable[[list[str], str], str]
"""Writes an answer from the numbered sentences and the question."""
_NUMBERED = re.compile(r'^\[\d+\] (".*")$', re.MULTILINE)


@dataclass
class Served:
    """A running server. `requests` are the received bodies, `keys` their Authorization headers."""

    address: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """The last user message."""
        return str(self.requests[-1]["messages"][-1]["content"])


@contextmanager
def writing(
    model: Model, statuses: tuple[int, ...] = (), drip: float = 0.0, finish: str = "stop"
) -> Iterator[Served]:
    """A server whose first answers have these `statuses`. `drip` is the number of seconds between
    bytes of a body, `finish` the finish reason of an answer.
    """
    waiting = list(statuses)

    class Completing(Handler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(body)
            served.keys.append(self.headers.get("Authorization", ""))
            status = waiting.pop(0) if waiting else 200
            content = self._content(body) if status == 200 else b"busy"
            with suppress(OSError):  # the client has gone
                self._send(status, content) if drip else self.answer(status, content)

        def _content(self, body: dict[str, Any]) -> bytes:
            user = body["messages"][-1]["content"]
            sentences = [json.loads(sentence) for sentence in _NUMBERED.findall(user)]
            question = json.loads(user.rsplit("Question: ", 1)[1])
            text = model(sentences, question)
            choice = {"index": 0, "message": {"role": "assistant", "content": text}}
            choice["finish_reason"] = finish
            return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(drip)

    with listening(at_free_port(Completing)) as server:
        served = Served(f"http://127.0.0.1:{server.server_port}/v1")
        yield served
