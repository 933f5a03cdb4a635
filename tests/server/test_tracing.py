"""Spans go to the configured collector, below the client's own span, without the question's
words.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http_server import Handler, at_free_port, listening
from tests.server.fake_server import put_text, serving

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """(address, received spans)."""
    came: list[bytes] = []

    class Collector(Handler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200)

    with listening(at_free_port(Collector)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", came


def test_stages_are_children_of_the_clients_span(
    tmp_path: Path, collector: tuple[str, list[bytes]]
) -> None:
    address, came = collector
    with serving(tmp_path, traces=address) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        client.post(
            "/v1/ask", json={"question": "Who led the secret talks?"}, headers=headers
        ).raise_for_status()
    spans = [
        span
        for body in came
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if span.trace_id.hex() == TRACE
    ]
    (request,) = [span for span in spans if span.name == "POST /v1/ask"]
    assert request.parent_span_id.hex() == "00f067aa0ba902b7"
    children = [span for span in spans if span.parent_span_id == request.span_id]
    assert [span.name for span in children] == ["retrieve", "read", "compose"]
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert not any(b"secret" in body or b"Burns" in body for body in came)
