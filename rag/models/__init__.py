"""Embedder and reader: weights, arithmetic, windows and spans."""
