"""Reads the same questions in fp32, bf16 and int8, and compares answers, scores and time.

usage: python -m eval.experiments.arithmetic READER DATA [MOST]

READER and DATA as in eval/experiments/heads.py; MOST questions (default 400) of the held-out SQuAD
articles, each with its passage. Prints a line for each arithmetic: SQuAD's scores, how often best
span, best sentence and verdict are those of fp32, the largest change of a verdict's probability,
and the processor's milliseconds a question. bf16 is left out where the processor lacks it. On a
processor without VNNI, or with ONEDNN_MAX_CPU_ISA=AVX2, states have 7 bits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eval.experiments import heads
from rag.models.bert import int8_steps
from rag.models.device import Arithmetic, native_bf16
from rag.models.reader import ExtractiveReader
from rag.protocols import ReaderOutput, Verdict
from rag.types import Hit


class Recording:
    """Reads, and keeps the outputs and the processor's seconds."""

    def __init__(self, reader: ExtractiveReader) -> None:
        self.name, self.tokenizer = reader.name, reader.tokenizer
        self.outputs: list[ReaderOutput] = []
        self.seconds = 0.0
        self._reader = reader

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        return self.read_many([(question, hits)])[0]

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        started = time.process_time()
        outputs = self._reader.read_many(questions)
        self.seconds += time.process_time() - started
        self.outputs += outputs
        return outputs


def main(arguments: Sequence[str]) -> None:
    setting, data, *more = arguments
    most = int(more[0]) if more else 400
    arithmetics = {"fp32": Arithmetic(), f"int8, {int8_steps()} steps": Arithmetic(int8=True)}
    if native_bf16():
        arithmetics["bf16"] = Arithmetic(bf16=True)
    wide: list[ReaderOutput] = []
    for name, arithmetic in arithmetics.items():
        reader = Recording(ExtractiveReader(setting, arithmetic=arithmetic))
        figures = heads.squad(reader, Path(data), most)
        wide = wide or reader.outputs
        figures |= _same(wide, reader.outputs)
        figures["ms"] = 1000 * reader.seconds / len(wide)
        print(name, *(f"{key} {value:.3f}" for key, value in figures.items()), sep="  ", flush=True)


def _same(wide: Sequence[ReaderOutput], narrow: Sequence[ReaderOutput]) -> dict[str, float]:
    """Shares of questions with the same answer."""
    pairs = list(zip(wide, narrow, strict=True))
    return {
        "same span": _share([_span(a) == _span(b) for a, b in pairs]),
        "same sentence": _share([_sentence(a) == _sentence(b) for a, b in pairs]),
        "same verdict": _share([_verdict(a) == _verdict(b) for a, b in pairs]),
        "verdict moves": max(
            abs(x - y)
            for a, b in pairs
            for one, other in zip(a.verdicts, b.verdicts, strict=True)
            for x, y in zip(_three(one), _three(other), strict=True)
        ),
    }


def _span(output: ReaderOutput) -> tuple[int, int]:
    best = output.spans[0]
    return best.start, best.end


def _sentence(output: ReaderOutput) -> tuple[int, int]:
    best = max(output.sentences, key=lambda sentence: sentence.score)
    return best.start, best.end


def _verdict(output: ReaderOutput) -> int:
    three = _three(output.verdicts[0])
    return three.index(max(three))


def _three(verdict: Verdict) -> tuple[float, float, float]:
    return verdict.yes, verdict.no, verdict.unsaid


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


if __name__ == "__main__":
    main(sys.argv[1:])
