"""Prometheus metrics: counts and times, never text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from rag.protocols import Stats
from rag.types import Answer

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Metrics of one service, in their own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "rag_requests", "Requests by route, method and status.", "route", "method", "status"
        )
        self._seconds = self._histogram(
            "rag_request_seconds", "Seconds a request took, by route.", _SECONDS, "route"
        )
        self._stages = self._histogram(
            "rag_stage_seconds", "Seconds of a batch's stages.", _SECONDS, "stage"
        )
        self._batch = self._histogram(
            "rag_batch_questions", "Questions in a batch.", (1, 2, 4, 8, 16, 32, 64)
        )
        self._answers = self._counter(
            "rag_answers", "Questions answered, and those where the service abstained.", "outcome"
        )
        self._jobs = self._counter("rag_ingested_files", "Uploaded files by outcome.", "outcome")

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(name, help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, help, labels, buckets=buckets, registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, questions: int) -> None:
        self._batch.observe(questions)

    def stages(self, timings: Mapping[str, float]) -> None:
        for stage, seconds in timings.items():
            self._stages.labels(stage).observe(seconds)

    def answers(self, answers: Sequence[Answer]) -> None:
        """Record the answers of one batch, which share their timings."""
        self.stages(
            {stage: seconds for stage, seconds in answers[0].timings.items() if stage != "retrieve"}
        )
        for answer in answers:
            self._answers.labels("abstained" if answer.text is None else "answered").inc()

    def file(self, outcome: str) -> None:
        self._jobs.labels(outcome).inc()

    def watch(self, depth: Callable[[], int], stats: Callable[[], Stats | None]) -> None:
        """Register gauges, computed on each scrape."""
        Gauge("rag_queue_depth", "Waiting questions.", registry=self._registry).set_function(depth)
        for name in ("documents", "passages", "generation"):
            gauge = Gauge(f"rag_index_{name}", f"The index's {name}.", registry=self._registry)
            gauge.set_function(lambda name=name: getattr(stats(), name, 0))  # type: ignore[misc]

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)
