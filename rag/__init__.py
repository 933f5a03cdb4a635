"""rag: ask a folder of documents, get answers that stand in them, with the sentence to prove it."""

__version__ = "0.1.0"
