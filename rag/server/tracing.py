"""OpenTelemetry spans: one per request, with child spans for retrieval, reading and composition.
They never contain questions.

Nothing is sent unless RAG_TRACES names a collector. A client's `traceparent` is continued
(https://www.w3.org/TR/trace-context/).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rag import __version__
from rag.errors import InputError, install_line

STAGES = ("retrieve", "read", "compose")


class Spans:
    """Sends the spans of requests to a collector."""

    def __init__(self, address: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource({"service.name": "rag", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer = self._provider.get_tracer("rag", __version__)
        self._parent = TraceContextTextMapPropagator()
        self._server, self._below = SpanKind.SERVER, set_span_in_context

    def request(
        self,
        headers: Mapping[str, str],
        facts: Mapping[str, Any],
        seconds: float,
        stages: Iterable[Mapping[str, float]],
    ) -> None:
        """Record a finished request, of `seconds`, and the stages of each answer."""
        end = time.time_ns()
        started = end - int(seconds * 1e9)
        names = ("traceparent", "tracestate")
        came_with = {name: headers[name] for name in names if name in headers}
        name = f"{facts['http.request.method']} {facts['http.route']}"
        span = self._tracer.start_span(
            name, self._parent.extract(came_with), self._server, dict(facts), start_time=started
        )
        below = self._below(span)
        for timings in stages:
            start = end - int(sum(timings.get(stage, 0.0) for stage in STAGES) * 1e9)
            for stage in STAGES:
                until = start + int(timings.get(stage, 0.0) * 1e9)
                self._tracer.start_span(stage, below, start_time=start).end(until)
                start = until
        span.end(end)

    def close(self) -> None:
        """Flush the remaining spans."""
        self._provider.shutdown()


def spans_to(address: str) -> Spans | None:
    """An exporter by OTLP over HTTP; None for "". Raises InputError without OpenTelemetry."""
    if not address:
        return None
    try:
        return Spans(address)
    except ModuleNotFoundError as error:
        message = f"RAG_TRACES needs {error.name}, which is not installed"
        raise InputError(message, f"run: {install_line('otel')}") from error
