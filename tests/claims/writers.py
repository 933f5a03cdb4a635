"""A real HTTP server with OpenAI's API whose answers a test determines."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(body)
            served.keys.append(self.headers.get("Authorization", ""))
            status = waiting.pop(0) if waiting else 200
            self._send(status, self._content(body) if status == 200 else b"busy")

        def _content(self, body: dict[str, Any]) -> bytes:
            user = body["messages"][-1]["content"]
            sentences = [json.loads(one) for one in _NUMBERED.findall(user)]
            question = json.loads(user.rsplit("Question: ", 1)[1])
            text = model(sentences, question)
            choice = {"index": 0, "message": {"role": "assistant", "content": text}}
            choice["finish_reason"] = finish
            return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                for byte in content if drip else [content]:
                    self.wfile.write(bytes([byte]) if isinstance(byte, int) else byte)
                    self.wfile.flush()
                    time.sleep(drip)
            except OSError:  # the client has gone
                pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
