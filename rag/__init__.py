"""rag: ask a folder of documents, get answers that stand in them, with the sentence to prove it."""

import os as _os

from rag import threads as _threads

__version__ = "0.1.0"

_threads.prepare(_os.environ)  # before anything imports torch, whose OpenMP reads the variables once
