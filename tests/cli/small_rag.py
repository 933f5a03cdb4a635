"""`rag` in a process of its own with the tests' small models; the embedder says when it begins a
document and takes SECONDS longer over it: python -m tests.cli.small_rag SECONDS ARGUMENTS…
"""

from __future__ import annotations

import sys

from rag import build
from rag.cli.main import main
from tests.fakes import fake_models
from tests.store.postgres.queue_worker import Slow

if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    fake_models()
    build.embedder = lambda settings: Slow(seconds)
    main()
