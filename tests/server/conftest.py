import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.server.fake_server import put_text, serving

LEASE = "# Lease\n\nThe lease ends in May 2027. The tenant is Ada Lovelace."
OMAN = "Oman hosted the secret talks. The talks were led by William Burns \U0001f54a in Muscat."


@pytest.fixture(scope="module")
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A service with two documents; tests that change it clean up after themselves. The lease is
    the module's own, if it has one.
    """
    with serving(tmp_path_factory.mktemp("served"), max_upload_mb=4) as served:
        put_text(served, "lease.md", getattr(request.module, "LEASE", LEASE))
        put_text(served, "oman.txt", OMAN)
        yield served


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The lines of the request log."""
    caplog.set_level(logging.INFO, "rag.requests")

    def lines() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "rag.requests"]
        return [json.loads(record.getMessage()) for record in records]

    return lines
