"""Kills servers and workers on one database for some minutes; no acknowledged upload may be lost.

    python -m eval.chaos.cluster postgresql://… --minutes 6 --out eval/results/cluster.json
    python -m eval.chaos.cluster postgresql://… --minutes 0.3 --fake

The address is that of an empty database, or schema of one. The first uses rag serve and rag worker
with the real models; the second, with the tests' small models, is what CI runs.

Two servers and two workers run as processes; a killed one is restarted, as by a supervisor.
Meanwhile writers upload stories to either server, askers ask either one and change to the other
when it is down, and a poller checks in the database that every document is complete. A worker is
killed while it processes a document, a server while it answers a question, --pause seconds (15)
after the last one. At the end every acknowledged upload must be present, complete, and the same
from both servers. Exits with status 1 after any violation.
"""

import os
import random
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import httpx
import psycopg

from eval.chaos.programs import FAKES, Program, eventually, server, worker
from eval.scripts import FAKE, OUT, SEED, finished, script
from rag.ingestion.uploads import QueueState
from rag.store.postgres.queue import PostgresQueue
from rag.store.postgres.store import PostgresStore

_SENTENCES = 120
_NAMES = 3
"""Documents per writer, uploaded together; every upload but the first replaces them."""
_REST = 2.0
"""Seconds before a killed program is started again."""
QUESTION = "Which code does the story name?"
_CODE = re.compile(r"Sentence (\d+) of story (\d+) names Code(\d+)\.")


def story(number: int) -> str:
    """One number in every sentence, over several passages, so that mixed documents show."""
    ending = f"of story {number} names Code{number}."
    return " ".join(f"Sentence {i} {ending}" for i in range(_SENTENCES))


def number_of(text: str) -> int:
    """The version of a complete story, or -1."""
    match = _CODE.search(text)
    number = int(match.group(2)) if match else -1
    return number if text.strip() == story(number) else -1


class Traffic:
    """Writers, askers and a poller, each in a thread; and the record of a run: counts, uploads sent
    and acknowledged, and violations.
    """

    def __init__(self, servers: Sequence[Program], dsn: str) -> None:
        self.servers = servers
        self.asking = Counter[int]()
        self.counts = Counter[str]()
        self.sent: dict[str, set[int]] = {}
        self.acknowledged: dict[str, int] = {}
        self.jobs, self.wrong = list[str](), list[str]()
        self.silence = 0.0
        """The longest time in seconds between two answers that an asker received."""
        self._store = PostgresStore(dsn, {})
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(5)

    def start(self) -> None:
        for run in (self._write, self._ask, self._poll):
            for number in range(1 if run == self._poll else 2):
                self._pool.submit(self._guarded, run, number)

    def stop(self) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._store.close()

    def _guarded(self, run: Callable[[int], None], number: int) -> None:
        try:
            run(number)
        except BaseException as error:
            self.wrong.append(f"{run.__name__}: {error!r}")

    def _send(self, turn: int, method: str, path: str, **body: Any) -> httpx.Response:
        """Send to this server, or the next one that answers."""
        while True:
            place = turn % len(self.servers)
            self.asking[place] += path == "/v1/ask"
            url = self.servers[place].url + path
            try:
                response = httpx.request(method, url, timeout=120, trust_env=False, **body)
                if response.status_code != 503:
                    return response
                self.counts["not ready"] += 1
            except httpx.ConnectError:
                self.counts["refused"] += 1
            except httpx.TransportError:
                self.counts["cut off"] += 1
            finally:
                self.asking[place] -= path == "/v1/ask"
            turn += 1
            time.sleep(0.1)

    def _write(self, writer: int) -> None:
        """Upload several files at a time, so that workers always have another one."""
        turn = 0
        while not self._stop.is_set():
            turn += 1
            numbers = {
                f"story{writer}-{i}.txt": 2 * (turn * _NAMES + i) + writer for i in range(_NAMES)
            }
            for name, number in numbers.items():
                self.sent.setdefault(name, set()).add(number)
            files = [("file", (name, story(number).encode())) for name, number in numbers.items()]
            response = self._send(turn, "POST", "/v1/documents", files=files)
            self.counts[f"uploads {response.status_code}"] += 1
            if response.status_code in (201, 202):
                self.acknowledged |= numbers
                self.jobs.append(response.json()["id"])
            else:
                self.wrong.append(f"upload of {numbers}: {response.text[:200]}")

    def _ask(self, asker: int) -> None:
        turn = asker
        last_answer = time.monotonic()
        while not self._stop.is_set():
            turn += 1
            name = random.choice(sorted(self.acknowledged) or [""])
            body = {"question": QUESTION, "filters": [f"document=uploads/{name}"]}
            response = self._send(turn, "POST", "/v1/ask", json=body)
            if response.status_code == 409 and not self.acknowledged:
                continue  # the index is empty yet
            if response.status_code != 200:
                self.wrong.append(f"asking: {response.text[:200]}")
                continue
            asked_at = time.monotonic()
            self.silence, last_answer = max(self.silence, asked_at - last_answer), asked_at
            self.counts["answers"] += 1
            self._check_answer(name, response.json())

    def _check_answer(self, name: str, answer: dict[str, Any]) -> None:
        """All passages read and cited belong to one story that was sent under this name."""
        texts = [hit["text"] for hit in answer["nearest"]]
        texts += [citation["cited_text"] for citation in answer["citations"]]
        numbers = {int(number) for text in texts for _, _, number in _CODE.findall(text)}
        self.counts["citations"] += len(answer["citations"])
        if len(numbers) > 1 or not numbers <= self.sent.get(name, set()):
            self.wrong.append(f"an answer from {name} mixes {sorted(numbers)}")

    def _poll(self, _: int) -> None:
        while not self._stop.is_set():
            for name in sorted(self.sent):
                self._look(name)
            time.sleep(0.05)

    def _look(self, name: str) -> None:
        """Each of the three checks is one SQL statement, so it sees one moment."""
        document = self._store.document(f"uploads/{name}")
        passages, vectors = self._store.embedded(f"uploads/{name}")
        trace = self._store.trace(f"uploads/{name}")
        self.counts["polls"] += 1
        code_places = [place for passage in passages for place in _CODE.findall(passage.text)]
        numbers = {n for _, _, n in code_places}
        sentences = {int(i) for i, _, _ in code_places}
        is_whole = len(numbers) == 1 and sentences == set(range(_SENTENCES))
        if document and number_of(document.text) not in self.sent[name]:
            self.wrong.append(f"{name} is {document.text[:80]}…")
        if passages and not (is_whole and len(vectors) == len(passages)):
            self.wrong.append(f"{name} has passages of {sorted(numbers)}")
        is_torn = not trace.passages == trace.vectors == trace.words
        if is_torn or trace.documents != (trace.passages > 0):
            self.wrong.append(f"{name} is torn: {trace}")


def kill_in_turn(
    traffic: Traffic, workers: Sequence[Program], queue: PostgresQueue, until: float, pause: float
) -> Counter[str]:
    """Kill a busy worker and a busy server in turn, at least one of each, and start it again."""
    servers = traffic.servers
    kills = Counter[str]()
    turn = 0
    while turn < 2 or time.monotonic() + pause <= until:
        time.sleep(pause)
        place = random.randrange(2)
        kind = ("workers", "servers")[turn % 2]

        def is_at_work(place: int = place, kind: str = kind) -> bool:
            """A server counts while the other one could answer its question: if none is left,
            failover cannot be observed.
            """
            if kind == "workers":
                return queue.state().count("working") >= len(workers)
            return traffic.asking[place] > 0 and servers[1 - place].is_ready

        kills[f"{kind} at work"] += eventually(is_at_work, 90)
        program = (workers, servers)[turn % 2][place]
        program.kill()
        kills[kind] += 1
        time.sleep(_REST)
        program.start()
        turn += 1
    return kills


COUNTS = """
    SELECT 'documents', documents, (SELECT count(*) FROM rag_documents) FROM rag_statistics
    UNION ALL
    SELECT 'passages', passages, (SELECT count(*) FROM rag_passages) FROM rag_statistics
    UNION ALL
    SELECT 'words', words, (SELECT coalesce(sum(length), 0) FROM rag_words) FROM rag_statistics
    UNION ALL
    SELECT 'words of passages', (SELECT coalesce(sum(passages), 0) FROM rag_terms),
        (SELECT coalesce(sum(cardinality(terms)), 0) FROM rag_words)
"""
"""What is counted, the number in the index's statistics, and the actual number."""


def faults(traffic: Traffic, state: QueueState, dsn: str) -> Iterator[str]:
    """What is wrong after the last job: what was acknowledged, or a later version, must be present,
    complete, and the same from every server.
    """
    yield from (f"job {job.number} of {job.name} {job.state}: {job.error}" for job in state.jobs)

    def get(server: Program, path: str) -> httpx.Response:
        return httpx.get(f"{server.url}/v1/{path}", trust_env=False, timeout=120)

    for name, newest in traffic.acknowledged.items():
        texts = [get(server, f"documents/uploads/{name}/text").text for server in traffic.servers]
        numbers = {number_of(text) for text in texts}
        if len(numbers) != 1 or not numbers <= {n for n in traffic.sent[name] if n >= newest}:
            yield f"{name} should be story {newest} and is {sorted(numbers)}"
    for job in traffic.jobs:
        job_state = get(traffic.servers[0], f"jobs/{job}").json()
        outcomes = [file["outcome"] for file in job_state["files"]]
        if job_state["state"] != "done" or "rejected" in outcomes:
            yield f"job {job_state}"
    with psycopg.connect(dsn) as connection:
        for name, noted, count in connection.execute(COUNTS):
            if int(noted) != int(count):
                yield f"{noted} {name} are noted, and {count} there"


def run(dsn: str, minutes: float, fake: bool, pause: float, folder: Path) -> dict[str, Any]:
    settings = FAKES if fake else {}
    places = [(folder / name, folder / f"{name}.log") for name in ("a", "b", "c", "d")]
    servers = [server(dsn, index, log, fake, **settings) for index, log in places[:2]]
    workers = [worker(dsn, *place, fake) for place in places[2:]]
    programs = [*workers, *servers]
    try:
        for program in programs:
            program.start()
        for program in servers:
            program.wait_until_ready()
        queue = PostgresQueue(dsn)
        traffic = Traffic(servers, dsn)
        begun = time.monotonic()
        traffic.start()
        kills = kill_in_turn(traffic, workers, queue, begun + 60 * minutes, pause)
        traffic.stop()
        lasted = time.monotonic() - begun
        for program in servers:
            program.wait_until_ready()
        eventually(lambda: not queue.state().jobs, 600)
        traffic.wrong += faults(traffic, queue.state(), dsn)
        seconds = time.monotonic() - begun - lasted
        queue.close()
    finally:
        for program in programs:
            program.kill()
    return {
        "models": "fakes" if fake else "real",
        "cores": os.cpu_count(),
        "seconds": round(lasted),
        "kills": kills,
        "acknowledged_uploads": len(traffic.jobs),
        "longest_without_an_answer_s": round(traffic.silence, 1),
        "counts": traffic.counts,
        "seconds_to_the_last_job": round(seconds, 1),
        "wrong": traffic.wrong,
    }


@script(__doc__)
@click.argument("dsn")
@click.option("--minutes", default=6.0, help="How long programs are killed.")
@click.option("--pause", default=15.0, help="Seconds between two kills.")
@FAKE
@SEED
@OUT
def main(
    dsn: str, minutes: float, pause: float, fake: bool, seed: int, out: Path | None
) -> dict[str, Any]:
    random.seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        result = run(dsn, minutes, fake, pause, Path(folder))
    return finished(result, out, result["wrong"])


if __name__ == "__main__":
    main()
