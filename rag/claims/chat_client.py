"""A client for OpenAI-compatible servers: `POST {address}/chat/completions`, with a deadline and a
few retries.

It uses http.client only, so that no proxy is read from the environment, no redirect is followed,
and no address but the configured one is contacted.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rag.errors import ModelError
from rag.meaning.sentences import split_sentences
from rag.render.status import one_line
from rag.sockets import shut_at

_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
MOST_BYTES = 1_000_000
"""Maximum size of a response."""
_RETRIED_STATUSES = frozenset((408, 429, 500, 502, 503, 504))
_TRIES = 3
_PROBE_SECONDS = 2.0
_NOT_OFFERED = 501
"""Small servers list no models, and write all the same."""
_TOKENS = 400
"""Maximum length of an answer."""
_HINT = "check RAG_WRITER, RAG_WRITER_MODEL and RAG_WRITER_KEY, or ask without --write"


class WriterError(ModelError):
    """The writer cannot be reached, or its answer cannot be used."""


def is_address(address: str) -> bool:
    """Whether `exchange` can use an address: http or https, with a host and a possible port."""
    try:
        parts = urlsplit(address)
        return parts.scheme in _CONNECTIONS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a server sent: at most one byte more than `MOST_BYTES`. `retry_after` is the header of
    that name, or "".
    """

    status: int
    content: bytes
    retry_after: str


def exchange(address: str, data: bytes | None, key: str, deadline: float) -> Exchanged:
    """POST this JSON to an address, or GET it without; `key` is sent unless it is "".

    Raises TimeoutError at the deadline, a `time.monotonic` time, and OSError or HTTPException if
    the server cannot be reached or does not speak HTTP.
    """
    parts = urlsplit(address)
    seconds = max(0.1, deadline - time.monotonic())
    connection = _CONNECTIONS[parts.scheme](parts.hostname or "", parts.port, timeout=seconds)
    method = "GET" if data is None else "POST"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        connection.connect()
        with shut_at(connection.sock, deadline):
            connection.request(method, parts.path, data, headers)
            with connection.getresponse() as response:
                content = response.read(MOST_BYTES + 1)
                retry_after = response.getheader("Retry-After", "")
    finally:
        connection.close()
    return Exchanged(response.status, content, retry_after)


@dataclass(frozen=True, slots=True)
class ChatServer:
    """`address` is the URL before "/chat/completions", such as http://127.0.0.1:8080/v1. `seconds`
    is the time limit for one answer including retries.
    """

    address: str
    model: str = ""
    key: str = ""
    seconds: float = 60.0

    def complete(self, messages: Sequence[dict[str, str]]) -> str:
        """The text of the answer. Raises WriterError with the cause."""
        data = json.dumps(self._body(messages)).encode()
        deadline = time.monotonic() + self.seconds
        for attempt in range(_TRIES):
            is_last = attempt == _TRIES - 1 or time.monotonic() > deadline - 1
            try:
                status, content = self._post(data, deadline)
            except TimeoutError as error:
                message = f"the writer at {self.address} did not answer within {self.seconds:g} s"
                hint = "raise RAG_WRITER_SECONDS, or ask without --write"
                raise WriterError(message, hint) from error
            except (OSError, http.client.HTTPException) as error:
                if is_last:
                    cause = error or type(error).__name__
                    raise self._failed(f"cannot be reached: {cause}") from error
            else:
                if status == 200:
                    return self._text(content)
                if is_last or status not in _RETRIED_STATUSES:
                    start = one_line(content[:200].decode("utf-8", "replace"))
                    raise self._failed(f"answered {status}: {start}")

            pause = 0.2 * 4**attempt
            remaining = max(0.0, deadline - time.monotonic())
            time.sleep(min(pause, remaining))

        raise AssertionError("the last attempt returns or raises")

    def _body(self, messages: Sequence[dict[str, str]]) -> dict[str, object]:
        """The body of a request; a server with one model needs no name."""
        body: dict[str, object] = {
            "messages": list(messages),
            "max_tokens": _TOKENS,
            "temperature": 0,
            "stream": False,
        }
        if self.model:
            body["model"] = self.model
        return body

    def problem(self) -> str:
        """Why the server cannot write just now, in words without its address; "" if it is there.
        Waits at most some seconds.
        """
        if not is_address(self.address):
            return "its address is neither http nor https"
        address = f"{self.address.rstrip('/')}/models"
        deadline = time.monotonic() + _PROBE_SECONDS
        try:
            answered = exchange(address, None, self.key, deadline)
        except (OSError, http.client.HTTPException):
            return "it cannot be reached"
        if answered.status in (401, 403):
            return "it refuses the key"
        is_broken = answered.status >= 500 and answered.status != _NOT_OFFERED
        return f"it answers {answered.status}" if is_broken else ""

    def _post(self, data: bytes, deadline: float) -> tuple[int, bytes]:
        """(status, content) of the server's answer. Raises WriterError, and as `exchange`."""
        if not is_address(self.address):
            raise self._failed("is not an http or https address")
        address = f"{self.address.rstrip('/')}/chat/completions"
        sent = exchange(address, data, self.key, deadline)
        if len(sent.content) > MOST_BYTES:
            raise self._failed(f"sent more than {MOST_BYTES:,} bytes")
        return sent.status, sent.content

    def _text(self, content: bytes) -> str:
        """The text of a chat completion, without a last sentence that was cut off. Raises
        WriterError.
        """
        try:
            choice: Any = json.loads(content)["choices"][0]
            text = choice["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise self._failed("sent something other than a chat completion") from error
        if not isinstance(text, str):
            raise self._failed("sent no text")
        if choice.get("finish_reason") != "length":
            return text

        sentences = split_sentences(text) or [(0, 0)]
        last_start, _ = sentences[-1]
        # a sentence that was cut off may mean something else
        return text[:last_start].rstrip() or text

    def _failed(self, problem: str) -> WriterError:
        return WriterError(f"the writer at {self.address} {problem}", _HINT)
