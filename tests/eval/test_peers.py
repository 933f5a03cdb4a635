"""The arithmetic of eval.bench.peers, and its errors for peers that are not installed. No peer is
needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.bench.peers import report, system
from eval.bench.peers.arithmetic import evidence, paired, percentiles, quality
from eval.bench.peers.measure import BLOCK, blocks, rotated
from rag.errors import InputError
from rag.evaluation.gold import Evidence, Question

ASKED = [
    Question("a", "When?", ("14 July 2015",), (Evidence("x", "It was on 14 July 2015."),)),
    Question("b", "Who?", ("Oman",), (Evidence("y", "Oman did."),)),
    Question("c", "Why?"),
    Question("d", "How?"),
]
SAID: list[dict[str, Any]] = [
    {"text": "14 July 2015", "guess": "14 July 2015"},
    {"text": None, "guess": "Oman"},
    {"text": None, "guess": "so"},
    {"text": "thus", "guess": "thus"},
]


def test_quality_counts_right_and_wrong_refusals() -> None:
    found = quality(ASKED, SAID)
    assert found == {
        "em": 50.0,
        "f1": 50.0,
        "forced_f1": 100.0,
        "wrongly_refused": 50.0,
        "refused": 50.0,
        "all_f1": 50.0,
    }


def test_evidence_is_a_whole_sentence_in_a_passage_of_its_document() -> None:
    passages = {
        "x#0": ("x", "Before. It was on 14 July 2015. After."),
        "x#9": ("x", "Oman did."),
        "y#0": ("y", "Oman"),
    }
    rows: list[dict[str, Any]] = [
        {"found": ["y#0", "x#0"]},
        {"found": ["x#9", "y#0"]},
        {"found": []},
        {"found": []},
    ]
    assert evidence(ASKED, rows, passages) == 50.0


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([0.1, 0.2, 0.3]) == {"p50": 200.0, "p95": 290.0}


def test_a_ratio_pairs_blocks_to_cancel_common_load() -> None:
    noise = [1.0, 5.0, 2.0, 9.0, 1.5]
    found = paired([0.25 * n for n in noise], noise)
    assert found == {"ratio": 0.25, "low": 0.25, "high": 0.25}


def test_the_interval_contains_the_median_and_widens_with_the_blocks() -> None:
    found = paired([1, 2, 3, 4, 5], [4, 4, 4, 4, 4])
    assert found["low"] < found["ratio"] == 0.75 < found["high"]


def test_every_system_has_its_turn_at_each_place_and_every_question_its_block() -> None:
    assert [rotated("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert [len(block) for block in blocks([str(i) for i in range(2 * BLOCK + 1)], BLOCK)] == [
        BLOCK,
        BLOCK,
        1,
    ]


def asked(seconds: float) -> list[dict[str, Any]]:
    return [row | {"seconds": seconds} for row in SAID]


def test_the_table_shows_the_measurements() -> None:
    start = {"ready": 9.0, "imports": 4.0, "models": 3.0, "index": 0.1}
    memory = {"resident": 700.4, "anonymous": 500.0, "peak": 800.0}
    alone = {
        "rows": {"ours": asked(0.1), "plain": asked(0.4)},
        "blocks": {"ours": [{"cpu": 0.8}], "plain": [{"cpu": 2.0}]},
        "load": [1.0, 2.0],
    }
    taken = {"ours": [{"ingest": 2.0, "cpu": 4.0}], "plain": [{"ingest": 4.0, "cpu": 8.0}]}
    search: dict[str, Any] = {
        "rows": {"ours": [{"seconds": 0.01, "found": ["x#0"]}] * 4},
        "load": [1.0, 2.0],
    }
    search |= {"first": 0, "start": {"ours": start}, "memory": {"ours": memory}}
    measured: dict[str, Any] = {
        "search": search,
        "quality": {"rows": alone["rows"], "load": [1.0, 2.0]},
        "alone": alone,
        "ingest": {"rows": taken, "load": [1.0, 1.5]},
    }
    figures = report.figures(measured, ASKED, {"x#0": ("x", ""), "y#0": ("y", "")})
    figures["ours"]["ingest"]["tokens_per_second"] = figures["plain"]["ingest"][
        "tokens_per_second"
    ] = 100
    ratios = report.ratios(measured)
    facts: dict[str, Any] = dict.fromkeys(
        ("commit", "made", "command", "machine", "threads"), ""
    ) | {"versions": {}, "passages": 2, "tokens": 200}
    facts |= {"answerable": 2, "unanswerable": 2, "load": {"alone": [1.0, 2.0]}}
    text = report.markdown({"facts": facts, "figures": figures, "ratios": ratios})
    assert "| ours | 100.0 | 100.0 | 200.0 |  |  |" in text
    assert "| plain | 400.0 | 400.0 | 500.0 | 0.25 [0.25, 0.25] | 0.40 [0.40, 0.40] |" in text
    assert "| plain | 4.0 | 0.5 | 100 | 8.0 | 0.50 [0.50, 0.50] | 0.50 [0.50, 0.50] |" in text
    assert "| ours | 9.0 | 4.0 | 3.0 | 0.1 | 700 | 500 | 800 |" in text
    assert "| ours | 10.0 | 10.0 | 0.0 |  |" in text
    assert "| ours | 4 | 50.0 | 50.0 | 100.0 | 50.0 | 50.0 | 50.0 |" in text


def test_a_peer_that_is_not_installed_is_an_error_with_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = system.Peer("plain", ("no_such_library",))
    monkeypatch.setitem(system.PEERS, "plain", peer)
    with pytest.raises(
        InputError,
        match=(
            r"plain needs no_such_library(.|\n)*pip install -e \. -r "
            r"eval/bench/requirements\.txt"
        ),
    ):
        system.check(["ours", "plain"])


def test_a_submodule_of_a_missing_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        system.PEERS, "llamaindex", system.Peer("with_llamaindex", ("no_such_package.inside",))
    )
    with pytest.raises(InputError, match=r"no_such_package\.inside"):
        system.check(["llamaindex"])


def test_an_unknown_system_gets_the_list_of_systems() -> None:
    with pytest.raises(InputError, match=r"no system 'langchain'(.|\n)*llamaindex"):
        system.check(["langchain"])


def test_our_own_systems_need_no_peer() -> None:
    system.check(["ours", "ours-fp32", "plain"])


def test_texts_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    texts = [system.Text("x#0", "x", "Titel > Überschrift\nText")]
    system.write_texts(path, texts)
    assert system.read_texts(path) == texts
