"""Measures rag itself: gold sets, fits, benchmarks, kills. Not installed with the package.

`rag.evaluation`, which is, scores an index on anyone's questions (`rag eval`).
"""
