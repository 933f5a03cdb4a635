"""Prometheus metrics: counts and times, never text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from rag.protocols import Stats
from rag.types import Answer

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


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
        self._batch = sizes("rag_batch_questions", "Questions in a batch.")
        answers = "Questions answered, and those where the service abstained."
        self._answers = counter("rag_answers", answers, ["outcome"])
        self._files = counter("rag_ingested_files", "Uploaded files by outcome.", ["outcome"])

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
        timings = answers[0].timings
        self.stages({stage: timings[stage] for stage in timings if stage != "retrieve"})
        for answer in answers:
            self._answers.labels("abstained" if answer.text is None else "answered").inc()

    def file(self, outcome: str) -> None:
        self._files.labels(outcome).inc()

    def watch(self, depth: Callable[[], int], stats: Callable[[], Stats | None]) -> None:
        """Register gauges, computed on each scrape."""
        Gauge("rag_queue_depth", "Waiting questions.", registry=self._registry).set_function(depth)
        for name in ("documents", "passages", "generation"):
            gauge = Gauge(f"rag_index_{name}", f"The index's {name}.", registry=self._registry)
            gauge.set_function(lambda name=name: getattr(stats(), name, 0))  # type: ignore[misc]

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)
