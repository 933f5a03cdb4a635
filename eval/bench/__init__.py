"""Benchmarks: an index of any size, and other systems on the same passages and questions."""
