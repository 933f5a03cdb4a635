"""What both clients share: headers, retries, problems, and events of a stream."""

from __future__ import annotations

import json
import os

from rag.client.calls import Event, ServiceProblem, Unreachable, httpx

_AGAIN = (429, 503)
"""Statuses of requests that were not processed, so that they can safely be sent again."""
_LONGEST_WAIT = 30.0
PAUSE = 0.5


class Transport:
    """Shared by both clients: address, key and number of retries."""

    def __init__(self, url: str, key: str | None, retries: int) -> None:
        self._url = url.rstrip("/")
        self._retries = retries
        secret = os.environ.get("RAG_KEY", "") if key is None else key
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def _pause(self, tried: int, got: httpx.Response | httpx.ConnectError) -> float:
        """Seconds to wait before the next try. Raises the error in `got` if another cannot help."""
        response = got if isinstance(got, httpx.Response) else None
        after = response.headers.get("Retry-After", "") if response is not None else ""
        seconds = float(after) if after.isdecimal() else PAUSE * 2**tried
        again = response is None or response.status_code in _AGAIN
        if tried < self._retries and again and seconds <= _LONGEST_WAIT:
            return seconds
        if isinstance(got, httpx.Response):
            raise problem_of(got)
        raise self._unreachable(got) from got

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        return Unreachable(
            f"no service answers at {self._url}: {error or type(error).__name__}",
            "start one: rag serve",
        )


def problem_of(response: httpx.Response) -> ServiceProblem:
    """The service's problem document, or the plain response of a proxy in front of it."""
    try:
        problem = response.json()
        detail, hint = str(problem["detail"]), str(problem.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        problem, detail, hint = {}, f"HTTP {response.status_code}: {response.text[:200]}", ""
    request_id = response.headers.get("X-Request-ID", "")
    return ServiceProblem(
        response.status_code, str(problem.get("type", "")), detail, hint, request_id
    )


class EventLines:
    """Assembles events from the lines of a stream. Raises ServiceProblem for an `error` event."""

    def __init__(self) -> None:
        self._name = ""

    def take(self, line: str) -> Event | None:
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
            return None
        if not line.startswith("data: "):
            return None
        data = json.loads(line.removeprefix("data: "))
        if self._name == "error":
            raise ServiceProblem(
                data["status"],
                data["type"],
                data["detail"],
                data.get("hint", ""),
                data.get("request_id", ""),
            )
        return Event(self._name, data)
