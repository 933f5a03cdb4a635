"""Our claims about real collections: their shape and, beside the data, digests and evidence."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLLECTIONS = ROOT.parent / "shared" / "data" / "collections"
ROWS = [
    json.loads(line)
    for line in (ROOT / "eval/gold/claims-collections.jsonl").read_text("utf-8").splitlines()
]
FIELDS = {"collection", "file", "sha256", "claim", "label", "kind", "half", "evidence"}


def test_every_claim_has_its_evidence_and_halves_share_no_file() -> None:
    assert all(set(row) == FIELDS and all(row.values()) for row in ROWS)
    assert len({row["claim"] for row in ROWS}) == len(ROWS)
    labels = Counter((row["half"], row["label"]) for row in ROWS)
    assert min(labels.values()) >= 100
    assert set(labels) == {(a, b) for a in ("fit", "report") for b in ("true", "false")}
    files = {
        half: {(r["collection"], r["file"]) for r in ROWS if r["half"] == half}
        for half, _ in labels
    }
    assert not files["fit"] & files["report"]


def test_nothing_is_fitted_on_a_collection_that_forbids_it() -> None:
    assert {row["half"] for row in ROWS if row["collection"] == "dxw-playbook"} == {"report"}


@pytest.mark.skipif(not COLLECTIONS.exists(), reason="the collections are not beside the project")
def test_digests_and_evidence_are_those_of_the_files() -> None:
    for row in ROWS:
        data = (COLLECTIONS / row["collection"] / row["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"], row["file"]
        assert row["evidence"] in " ".join(data.decode().split()), row["claim"]
