"""Compares this system with others on the same passages, questions and weights, in one run.

    python3 -m venv .peers && .peers/bin/pip install -e . -r eval/bench/requirements.txt
    .peers/bin/python -m eval.bench.peers --work /tmp/peers

Systems: `ours` (the engine of `rag.build`, as shipped), `ours-fp32` and `ours-int8` (the same with
RAG_PRECISION=fp32 or int8), `plain` (sentence-transformers, FAISS and transformers, as a careful
user would combine them), `haystack`, `txtai` (each passage read).

Each system runs in processes of its own, with the same number of threads. All systems answer one
block of questions before the next block begins, in a rotating order, so that other load on the
machine affects all alike; ratios compare the same block. Phases can be run one at a time over the
same --work folder (`--phases ingest`, …).
"""
