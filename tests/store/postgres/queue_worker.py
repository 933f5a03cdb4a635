"""A worker with fake models and frequent heartbeats: python -m tests.store.postgres.queue_worker
DSN SECONDS PASSAGE-TOKENS

It takes SECONDS longer per document.
"""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext

from rag.ingestion.uploads import Done, Upload, put_upload
from rag.protocols import Vectors
from rag.settings import Settings
from rag.store.postgres.collection_queues import CollectionQueues
from rag.store.postgres.queue import Pace
from rag.store.postgres.store import PostgresStore
from tests.fakes import BagOfWordsEmbedder
from tests.store.helpers import EXPECT

PACE = Pace(heartbeat=0.3, dead=1.5, poll=0.3)


class Slow(BagOfWordsEmbedder):
    """Prints when it begins a document, and takes a fixed time for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        print("embedding", flush=True)
        time.sleep(self._seconds)
        return super().embed_passages(texts)


def work(dsn: str, handle: Callable[[Upload], Done], wait: bool = False) -> None:
    """Process the queue of the index at `dsn`."""
    with closing(CollectionQueues(Settings(store=dsn), with_others=False, pace=PACE)) as queues:
        queues.work(lambda *_: nullcontext(handle), wait)


def main(dsn: str, seconds: float, tokens: str) -> None:
    expect = {**EXPECT, "passage_tokens": tokens}
    store = PostgresStore(dsn, expect, create=True, wait=60)
    work(dsn, lambda upload: put_upload(store, Slow(seconds), int(tokens), upload), wait=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
