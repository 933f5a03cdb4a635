"""Our system beside others, over the same passages, questions and weights, in one run.

    python3 -m venv .peers && .peers/bin/pip install -e . -r eval/bench/requirements.txt
    .peers/bin/python -m eval.bench.peers --work /tmp/peers --out eval/results

Systems: `ours` (the engine of `rag.build`, as a user gets it), `ours-fp32` (the same with
RAG_PRECISION=fp32), `plain` (sentence-transformers, FAISS and transformers, as a careful user would
write it), `haystack`, `txtai` (each passage read), `txtai-rag` (its RAG pipeline, which cuts the
joined passages at the model's 512 tokens), `llamaindex` (retrieval only).

Each system runs in processes of its own, with the same number of threads. The driver gives every
system the same block of questions before the next block begins, in an order that rotates, so that
whatever else the machine does hits all alike; ratios are of the same block. Phases can be run one
at a time over the same --work folder (`--phases ingest`, …): what was measured stays there, and
`quality` goes on where it was stopped.
"""
