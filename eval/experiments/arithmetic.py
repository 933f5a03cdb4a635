"""Reads the same questions in fp32, bf16 and int8, and compares answers, time and memory.

python -m eval.experiments.arithmetic READER DATA [COUNT [PRECISION...]]

READER and DATA as in eval/experiments/heads.py; COUNT questions (400) of the held-out SQuAD
articles, each with its passage. Every arithmetic is read in a process of its own and prints a line:
SQuAD's scores, AUROC, how often best span, best sentence and verdict are those of the first
arithmetic (fp32), the largest change of a verdict's probability, the processor's milliseconds a
question, and the process's largest memory in MiB. OMP_NUM_THREADS sets the threads. On a processor
without VNNI, or with ONEDNN_MAX_CPU_ISA=AVX2, int8 has 126 steps in place of 254.
"""

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import click

from eval.experiments import heads
from eval.scripts import PATH, mib, script
from rag.models.device import arithmetic, native_bf16
from rag.models.reader import ExtractiveReader
from rag.protocols import ReaderOutput
from rag.types import Hit

PRECISIONS = ("fp32", "int8", "bf16")
Offsets = tuple[int, int]
BestReading = tuple[Offsets, Offsets, tuple[float, float, float]]
"""Best span, best sentence, and the verdict's probabilities of yes, no and neither."""


class Recording(ExtractiveReader):
    """Keeps the best span, sentence and verdict of every question and the processor's seconds."""

    seconds = 0.0
    best_readings: Sequence[BestReading] = ()

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        started = time.process_time()
        outputs = super().read_many(questions)
        self.seconds += time.process_time() - started
        self.best_readings = [*self.best_readings, *map(_best_reading, outputs)]
        return outputs


def _best_reading(output: ReaderOutput) -> BestReading:
    span = output.spans[0]
    verdict = output.verdicts[0]
    sentence = max(output.sentences, key=lambda sentence: sentence.score)
    probabilities = (verdict.yes, verdict.no, verdict.unsaid)
    return (span.start, span.end), (sentence.start, sentence.end), probabilities


def read(
    setting: str, data: Path, count: int, precision: str
) -> tuple[dict[str, float], Sequence[BestReading]]:
    """Figures of a precision, and the best span, sentence and verdict of every question."""
    reader = Recording(setting, arithmetic=arithmetic("cpu", precision))
    figures = heads.squad(reader, data, count)
    figures["ms"] = 1000 * reader.seconds / len(reader.best_readings)
    return figures | {"MiB": mib("self", "VmHWM")}, reader.best_readings


def agreement(reference: Sequence[BestReading], answers: Sequence[BestReading]) -> dict[str, float]:
    """Shares of questions with the same answer, and the largest change of a probability."""
    counts = dict.fromkeys(("same span", "same sentence", "same verdict"), 0)
    moves = []
    for expected, computed in zip(reference, answers, strict=True):
        span, sentence, probabilities = expected
        computed_span, computed_sentence, computed_probabilities = computed
        counts["same span"] += span == computed_span
        counts["same sentence"] += sentence == computed_sentence
        counts["same verdict"] += likeliest_index(probabilities) == likeliest_index(
            computed_probabilities
        )
        for probability, computed_probability in zip(
            probabilities, computed_probabilities, strict=True
        ):
            moves.append(abs(probability - computed_probability))

    shares = {name: count / len(reference) for name, count in counts.items()}
    return shares | {"verdict moves": max(moves)}


def likeliest_index(probabilities: Sequence[float]) -> int:
    """The place of the highest probability."""
    return probabilities.index(max(probabilities))


@script(__doc__)
@click.argument("reader")
@click.argument("data", type=PATH)
@click.argument("count", default=400)
@click.argument("precisions", nargs=-1, type=click.Choice(PRECISIONS))
def main(reader: str, data: Path, count: int, precisions: tuple[str, ...]) -> None:
    reference: Sequence[BestReading] = ()
    for precision in precisions or PRECISIONS[: 2 + native_bf16()]:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            figures, answers = process.apply(read, (reader, data, count, precision))
        reference = reference or answers
        figures |= agreement(reference, answers)
        columns = (f"{name} {value:.3f}" for name, value in figures.items())
        print(precision, *columns, sep="  ", flush=True)


if __name__ == "__main__":
    main()
