"""A store in its own process: python -m tests.store.local.worker FOLDER

Reads commands as JSON lists, one per line, and prints their results as JSON; errors as ["class",
"message"].
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rag.errors import RagError
from rag.store.local.store import LocalStore
from tests.store.helpers import both, local, put_text, stored_documents


class Commands:
    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self.writing = ExitStack()

    def put(self, id: str, text: str) -> None:
        put_text(self.store, id, text)

    def delete(self, id: str) -> bool:
        return self.store.delete(id)

    def begin(self) -> None:
        self.writing.enter_context(self.store.writing())

    def end(self) -> None:
        self.writing.close()

    def both(self, question: str) -> list[list[str]]:
        return [sorted(ids) for ids in both(self.store, question)]

    def texts(self) -> dict[str, str]:
        return {id: document.text for id, document in stored_documents(self.store).items()}

    def grids(self) -> dict[str, str]:
        return self.store.grids()

    def cycle(self, count: str) -> None:
        """Adds, changes and deletes documents; the last three stay."""
        for n in range(int(count)):
            with self.store.writing():
                put_text(self.store, f"cycle-{n}", f"Herring number {n}.")
            put_text(self.store, f"cycle-{n}", f"Herring and mackerel number {n}.")
            self.store.delete(f"cycle-{n - 3}")


def answer(commands: Commands, line: str) -> Any:
    do, *arguments = json.loads(line)
    try:
        return getattr(commands, do)(*arguments)
    except RagError as error:
        return [type(error).__name__, str(error)]


def main(folder: Path) -> None:
    try:
        commands = Commands(local(folder, wait=20))
    except RagError as error:
        print(json.dumps([type(error).__name__, str(error)]), flush=True)
        return
    print(json.dumps("open"), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(commands, line)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
