"""The questions on other people's documents: their shape, and their evidence where the documents
are at hand.
"""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from eval.gold.collections import GOLD, digests
from rag.evaluation.gold import read_jsonl
from rag.evaluation.squad import normalize

SETS = sorted(GOLD.glob("*.jsonl"))
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_a_set_has_its_forms_and_near_misses(path: Path) -> None:
    questions = read_jsonl(path)
    forms = Counter(question.form for question in questions)
    unanswerable = sum(not question.answers for question in questions)
    assert len(questions) >= 100
    assert len(forms) >= 6
    assert 0.14 <= unanswerable / len(questions) <= 0.25
    names = {name for question in questions for name in question.relevant}
    assert all(name.startswith(f"{path.stem}/") for name in names)
    assert names <= digests().keys()


@pytest.mark.skipif(not (DATA / "collections").is_dir(), reason="the documents are not at hand")
@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_the_documents_are_those_that_were_asked_about(path: Path) -> None:
    if path.stem in ("debian", "manuals"):
        pytest.skip("made from Debian's packages")
    root = DATA if path.stem == "pdf" else DATA / "collections"
    own = {name: digest for name, digest in digests().items() if name.startswith(f"{path.stem}/")}
    assert own
    for name, digest in own.items():
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.skipif(not (DATA / "collections").is_dir(), reason="the documents are not at hand")
@pytest.mark.parametrize("name", ["restic", "mastodon", "mozilla-legal"])
def test_most_evidence_is_in_its_file_as_written(name: str) -> None:
    """Markup is left out in evidence, so a few sentences differ from their source."""
    questions = read_jsonl(GOLD / f"{name}.jsonl")
    evidence = [one for question in questions for one in question.evidence]
    texts = {
        one.document: normalize((DATA / "collections" / one.document).read_text("utf-8"))
        for one in evidence
    }
    present = sum(normalize(one.sentence) in texts[one.document] for one in evidence)
    assert present >= 0.6 * len(evidence)
