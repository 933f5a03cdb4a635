"""Prometheus metrics: counts and times, never text. And OpenTelemetry spans: one per request, with
child spans for retrieval, reading and composition; they never contain questions.

Nothing is sent unless RAG_TRACES names a collector. A client's `traceparent` is continued
(https://www.w3.org/TR/trace-context/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rag import __version__
from rag.errors import needs_extra
from rag.protocols import Stats
from rag.types import Answer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("retrieve", "read", "compose")


class Metrics:
    """Metrics of one service, in their own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        times = partial(Histogram, buckets=_SECONDS, registry=self._registry)
        sizes = partial(Histogram, buckets=_SIZES, registry=self._registry)
        facts = ("route", "method", "status")
        self._requests = counter("rag_requests", "Requests by route, method and status.", facts)
        self._seconds = times("rag_request_seconds", "Seconds a request took, by route.", ["route"])
        self._stages = times("rag_stage_seconds", "Seconds of a batch's stages.", ["stage"])
        self.batches = sizes("rag_batch_questions", "Questions in a batch.")
        answers = "Questions answered, and those where the service abstained."
        self._answers = counter("rag_answers", answers, ["outcome"])
        self.files = counter("rag_ingested_files", "Uploaded files by outcome.", ["outcome"])

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stages(self, timings: Mapping[str, float]) -> None:
        for stage, seconds in timings.items():
            self._stages.labels(stage).observe(seconds)

    def answers(self, answers: Sequence[Answer]) -> None:
        """Record the answers of one batch, which share their timings."""
        timings = answers[0].timings
        self.stages({stage: timings[stage] for stage in timings if stage != "retrieve"})
        for answer in answers:
            self._answers.labels("abstained" if answer.text is None else "answered").inc()

    def add_gauges(self, depth: Callable[[], int], stats: Callable[[], Stats | None]) -> None:
        """Add gauges of the queue's depth and the index's size, computed on each scrape."""
        Gauge("rag_queue_depth", "Waiting questions.", registry=self._registry).set_function(depth)
        for name in ("documents", "passages", "generation"):
            gauge = Gauge(f"rag_index_{name}", f"The index's {name}.", registry=self._registry)
            gauge.set_function(lambda name=name: getattr(stats(), name, 0))  # type: ignore[misc]

    def text(self) -> bytes:
        return generate_latest(self._registry)


class SpanSender:
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
        name = f"{facts['http.request.method']} {facts['http.route']}"
        parent_context = self._parent.extract(headers)
        span = self._tracer.start_span(
            name, parent_context, self._server, dict(facts), start_time=started
        )
        child_context = self._below(span)
        for timings in stages:
            start = end - int(sum(timings.get(stage, 0.0) for stage in STAGES) * 1e9)
            for stage in STAGES:
                until = start + int(timings.get(stage, 0.0) * 1e9)
                self._tracer.start_span(stage, child_context, start_time=start).end(until)
                start = until
        span.end(end)

    def close(self) -> None:
        """Flush the remaining spans."""
        self._provider.shutdown()


def spans_to(address: str) -> SpanSender | None:
    """An exporter by OTLP over HTTP; None for "". Raises InputError without OpenTelemetry."""
    if not address:
        return None
    with needs_extra("otel", "RAG_TRACES"):
        return SpanSender(address)
