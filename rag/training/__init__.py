"""Trains the reader and the embedder."""
