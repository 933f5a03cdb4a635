"""The figures of eval.bench.peers, and its errors for peers that are not installed. No peer is
needed.
"""

from __future__ import annotations

from typing import Any

import pytest

from eval.bench.peers import report, systems
from eval.bench.peers.__main__ import rotated
from eval.bench.peers.systems import PEERS, Peer, System
from rag.errors import InputError
from rag.evaluation.gold import Evidence, Question

ASKED = [
    Question("a", "When?", ("14 July 2015",), (Evidence("x", "It was on 14 July 2015."),)),
    Question("b", "Who?", ("Oman",), (Evidence("y", "Oman did."),)),
    Question("c", "Why?"),
    Question("d", "How?"),
]
ANSWERS: list[dict[str, Any]] = [
    {"text": "14 July 2015", "guess": "14 July 2015"},
    {"text": None, "guess": "Oman"},
    {"text": None, "guess": "so"},
    {"text": "thus", "guess": "thus"},
]
PASSAGES = {
    "x#0": ("x", "Before. It was on 14 July 2015. After."),
    "x#9": ("x", "Oman did."),
    "y#0": ("y", "Oman"),
}


def test_evidence_is_a_whole_sentence_in_a_passage_of_its_document() -> None:
    names: list[list[str]] = [["y#0", "x#0"], ["x#9", "y#0"], [], []]
    rows: list[dict[str, Any]] = [{"passages": row} for row in names]
    assert report.evidence(ASKED, rows, PASSAGES) == 50.0


def test_a_ratio_pairs_blocks_to_cancel_common_load() -> None:
    noise = [1.0, 5.0, 2.0, 9.0, 1.5]
    ratio = report.paired([0.25 * n for n in noise], noise)
    assert ratio == {"ratio": 0.25, "low": 0.25, "high": 0.25}
    wider = report.paired([1, 2, 3, 4, 5], [4, 4, 4, 4, 4])
    assert wider["low"] < wider["ratio"] == 0.75 < wider["high"]


def test_every_system_has_its_turn_at_each_place() -> None:
    assert [rotated("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]


def phase(seconds: dict[str, float]) -> dict[str, Any]:
    """Measurements of four questions in one block, each in these seconds, by system."""
    blocks = {name: [{"seconds": 4 * s, "cpu": 8 * s}] for name, s in seconds.items()}
    rows = {
        name: [{"seconds": s, "passages": ["x#0"], **answer} for answer in ANSWERS]
        for name, s in seconds.items()
    }
    return {"rows": rows, "blocks": blocks}


def test_the_tables_show_the_measurements() -> None:
    ingested = {name: [{"seconds": s, "cpu": 2 * s}] for name, s in (("ours", 2.0), ("plain", 4.0))}
    measured: dict[str, Any] = {
        "ask": phase({"ours": 0.1, "plain": 0.4}),
        "search": phase({"ours": 0.01}),
        "ingest": {"rows": ingested},
    }
    figures = report.figures(measured, ASKED, PASSAGES, tokens=400)
    facts = {"answerable": 2, "unanswerable": 2, "passages": 3, "tokens": 400, "versions": {}}
    facts |= dict.fromkeys(("commit", "made", "command", "machine", "threads"), "")
    facts["load"] = {"ask": [1.0, 2.0]}
    text = report.markdown({"facts": facts, "figures": figures, "ratios": report.ratios(measured)})
    assert "| ours | 100.0 | 100.0 | 200.0 |  |  |" in text
    assert "| plain | 400.0 | 400.0 | 800.0 | 0.25 [0.25, 0.25] | 0.25 [0.25, 0.25] |" in text
    assert "| plain | 4.0 | 0.8 | 100 | 8.0 | 0.50 [0.50, 0.50] | 0.50 [0.50, 0.50] |" in text
    assert "| ours | 10.0 | 10.0 | 50.0 |  |" in text
    assert "| ours | 4 | 50.0 | 50.0 | 100.0 | 50.0 | 50.0 | 50.0 |" in text


def test_unknown_and_missing_systems_are_errors_with_the_next_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    systems.check(["ours", "ours-fp32", "ours-int8", "plain"])
    with pytest.raises(InputError, match=r"no system 'langchain'(.|\n)*txtai"):
        systems.check(["langchain"])
    for module in ("no_such_library", "no_such_package.inside"):
        monkeypatch.setitem(PEERS, "plain", Peer(System, (module,)))
        with pytest.raises(InputError, match=rf"plain needs {module}(.|\n)*pip install -e \. -r"):
            systems.check(["ours", "plain"])
