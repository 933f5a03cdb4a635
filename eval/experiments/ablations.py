"""The value of each generator and each group of features, on sets left out in turn.

python -m eval.experiments.ablations --cache DIR [--out FILE] SET...

For each row the judge is fitted again without a generator's candidates, or without a group of
features, to all sets but one, and asked about that one. Writes eval/results/ablations.json.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from eval.experiments import fit_judge
from eval.experiments.fit_judge import Example
from eval.experiments.kept import NAMES
from eval.scripts import CACHE, OUT, READER, ROOT, finished, script
from rag.answering.features import FEATURES, GENERATED

_NETWORKS = 2
"""Fewer than the shipped judge has, to save time."""
GROUPS = {
    "form classifier": ("asks_",),
    "length": ("words", "places", "more"),
    "sentence head": ("sentence_", "lead"),
    "spans": ("span_", "fresh", "agreement", "rivals"),
    "verdict head": ("yes", "no", "unsaid", "verdict"),
    "retrieval": ("fused", "dense", "lexical", "rank", "is_read"),
    "words of the question": ("coverage", "names", "question_words"),
    "second opinion of the small reader": ("first_",),
    "refers back": ("refers_back",),
}
"""Beginnings of the names of features, by group."""


def without_generator(made: Sequence[Example], name: str) -> list[Example]:
    """The examples without a generator's candidates; those that have no other are left out."""
    left = []
    for one in made:
        places = [n for n, generator in enumerate(one.generators) if generator != name]
        lists: dict[str, Any] = {
            field: tuple(getattr(one, field)[n] for n in places)
            for field in ("forms", "generators", "judgements")
        }
        if places:
            left.append(replace(one, rows=one.rows[places], serves=one.serves[places], **lists))
    return left


def without_features(made: Sequence[Example], beginnings: Sequence[str]) -> list[Example]:
    """The examples with a group of features set to 0."""
    others = np.array([not name.startswith(tuple(beginnings)) for name in FEATURES])
    return [replace(one, rows=np.where(others, one.rows, 0)) for one in made]


@script(__doc__)
@CACHE
@READER
@OUT
@NAMES
def main(cache: Path, reader: str, out: Path | None, names: tuple[str, ...]) -> None:
    fit_judge.NETWORKS = _NETWORKS
    made = fit_judge.collect(cache, reader, names)
    variants = {"nothing": made}
    variants |= {f"generator {name}": without_generator(made, name) for name in GENERATED}
    variants |= {
        f"features: {name}": without_features(made, names) for name, names in GROUPS.items()
    }
    threshold = fit_judge.threshold_of(fit_judge.left_out(made, names)[0])
    table = {}
    for name, examples in tqdm(variants.items(), disable=None):
        table[name] = fit_judge.counts(fit_judge.left_out(examples, names)[0], threshold)
    command = f"python -m eval.experiments.ablations --cache DIR {' '.join(names)}"
    content = {"command": command, "threshold": threshold, "without": table}
    finished(content, out or ROOT / "eval/results/ablations.json")


if __name__ == "__main__":
    main()
