"""Shared by both clients: headers, retries, problems, and events of a stream."""

from __future__ import annotations

import json
import os
from typing import Any

from rag.client.calls import Call, Event, ServiceProblem, Unreachable, httpx

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

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments with which httpx sends the request."""
        address = {"method": call.method, "url": f"{self._url}{call.path}"}
        return {**address, "headers": self._headers, **call.send}

    def _pause(self, attempt: int, outcome: httpx.Response | httpx.TransportError) -> float:
        """Seconds to wait before the next attempt. Raises the error of the outcome if another
        cannot help.
        """
        if isinstance(outcome, httpx.Response):
            after = outcome.headers.get("Retry-After", "")
            is_passing = outcome.status_code in _AGAIN
        else:
            after, is_passing = "", isinstance(outcome, httpx.ConnectError)
        seconds = float(after) if after.isdecimal() else PAUSE * 2**attempt
        if attempt < self._retries and is_passing and seconds <= _LONGEST_WAIT:
            return seconds
        if isinstance(outcome, httpx.Response):
            raise problem_of(outcome)
        raise self._unreachable(outcome) from outcome

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
