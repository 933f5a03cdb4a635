"""Rows as they come, in a file beside the result, so that a large run that was stopped goes on
where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import IO

from rag.errors import InputError, RagError
from rag.evaluation.records import COLUMNS, Row, unpack


class Partial:
    """Rows of one run, known by `fingerprint`: of other code, questions, documents, settings or
    models none is used.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self._first = {"fingerprint": fingerprint, "columns": list(COLUMNS)}

    def read(self) -> dict[str, Row]:
        """The rows that an earlier run left, by question id. A last line that was cut off is passed
        over.
        """
        try:
            first, *lines = self.path.read_text(encoding="utf-8").split(
                "\n"
            )  # an answer may hold other line ends
            if json.loads(first) != self._first:
                return {}
        except (OSError, ValueError):
            return {}
        try:
            return {
                row.id: row for row in unpack({"columns": COLUMNS, "rows": list(_whole(lines))})
            }
        except RagError:
            return {}

    @contextmanager
    def writing(self, rows: Sequence[Row]) -> Iterator[Partial]:
        """Begin the file with these rows; then `add` appends. Raises InputError if it cannot be
        written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", encoding="utf-8") as file:
                self._file: IO[str] = file
                self._line(self._first)
                for row in rows:
                    self.add(row)
                yield self
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}", "name another folder with --out"
            ) from error

    def add(self, row: Row) -> None:
        self._line(astuple(row))

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.flush()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _whole(lines: Sequence[str]) -> Iterator[list[object]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return
