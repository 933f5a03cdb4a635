"""Measures rag itself: gold sets, fits, benchmarks, and scripts that kill its processes.

It is not installed with the package. `rag.evaluation` is: it scores an index on anyone's questions
(`rag eval`).
"""
