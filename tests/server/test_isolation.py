"""A collection loses nothing when the service is killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.server.fake_server import process, wait_until_ready

NAMES = ("alpha", "beta", "gamma")


@pytest.mark.slow
def test_accepted_uploads_survive_a_kill(tmp_path: Path) -> None:
    accepted: list[tuple[str, str]] = []
    for round in range(int(os.environ.get("KILLS", "2"))):
        with process(tmp_path, TEST_SLOW="0.1") as (server, client):
            for name in NAMES:
                client.post("/v1/collections", json={"name": f"{name}{round}"})
                files = [
                    ("file", (f"{round}-{n}.txt", f"The safe is in Oslo{n}.".encode()))
                    for n in range(3)
                ]
                response = client.post(f"/v1/collections/{name}{round}/documents", files=files)
                assert response.status_code in (201, 202)
                accepted += [(f"{name}{round}", f"uploads/{round}-{n}.txt") for n in range(3)]
            client.patch(
                f"/v1/collections/beta{round}", json={"name": f"delta{round}"}
            ).raise_for_status()
            accepted = [(one.replace("beta", "delta"), document) for one, document in accepted]
            client.delete(f"/v1/collections/gamma{round}").raise_for_status()
            accepted = [pair for pair in accepted if not pair[0].startswith("gamma")]
            server.kill()
    with process(tmp_path) as (_, client):
        wait_until_ready(client)
        for name, document in accepted:
            until = time.monotonic() + 60
            while client.get(f"/v1/collections/{name}/documents/{document}").status_code != 200:
                assert time.monotonic() < until, (name, document)
                time.sleep(0.2)
        listed = {one["name"] for one in client.get("/v1/collections").json()["collections"]}
        assert listed == {"default", *(name for name, _ in accepted)}
