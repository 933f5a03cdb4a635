"""`/v1/grids`: a job in the queue, cells, changes, ratings and files."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.routes import grids as routes
from tests.server.fake_server import (
    SlowReader,
    finished_job,
    process,
    put_text,
    put_texts,
    serving,
    wait_until,
)

COLUMNS = [
    {"name": "End", "question": "When does the lease end?", "type": "date"},
    {"name": "Tenant", "question": "Who is the tenant?"},
]
GRID = {"name": "leases", "columns": COLUMNS}


def wait(client: httpx.Client, response: httpx.Response) -> Any:
    """The result of a grid's job, once it has ended."""
    assert response.status_code == 202, response.text
    return finished_job(client, response.headers["Location"])["files"][0]


def values(grid: dict[str, Any]) -> dict[str, list[str | None]]:
    return {row["row"]: [cell.get("value") for cell in row["cells"]] for row in grid["cells"]}


def test_a_grid_is_asked_by_a_job_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oak.md", "# Oak\n\n## Costs > 5 EUR\n\nThe lease ends in 2027.")
        put_text(client, "elm.md", "The lease of the elm ends in 2028.")
        job = wait(client, client.post("/v1/grids", json=GRID))
        assert (job["outcome"], job["name"]) == ("answered", "leases")
        grid = client.get("/v1/grids/leases").json()
        assert values(grid)["uploads/oak.md"][0] == "2027"
        (cell, _) = grid["cells"][1]["cells"]
        (quote,) = cell["quotes"]
        assert (quote["document_id"], cell["typed"]["iso"]) == ("uploads/oak.md", "2027")
        assert quote["headings"] == ["Oak", "Costs > 5 EUR"]
        text = client.get("/v1/documents/uploads/oak.md/text").text
        assert text[quote["start"] : quote["end"]] == "2027"
        assert client.get("/v1/grids/leases?offset=1&limit=5").json()["cells"] == grid["cells"][1:]
        (listed,) = client.get("/v1/grids").json()["grids"]
        assert (listed["name"], listed["rows"], listed["changed"]) == ("leases", 2, 0)

        put_text(client, "oak.md", "The lease of the oak ends in 2029.")
        wait(client, client.post("/v1/grids/leases/refresh"))
        changes = client.get("/v1/grids/leases/changes").json()["changes"]
        (change,) = [entry for entry in changes if entry["column"] == "End"]
        assert (change["before"]["value"], change["after"]["value"]) == ("2027", "2029")
        assert change["document_id"] == "uploads/oak.md"
        assert client.post("/v1/grids/leases/looked").json()["changes"]
        assert client.get("/v1/grids/leases/changes").json()["changes"] == []

        rating = {"row": "uploads/oak.md", "column": "End", "verdict": "corrected"}
        assert client.post("/v1/grids/leases/ratings", json=rating).status_code == 422
        rated = client.post("/v1/grids/leases/ratings", json={**rating, "value": "2 July 2029"})
        assert (rated.status_code, rated.json()["shown"]) == (201, "2 July 2029")
        file = client.get("/v1/grids/leases/file?format=csv")
        assert "2 July 2029,corrected" in file.text
        assert client.get("/v1/grids/leases/file?format=xlsx").content[:2] == b"PK"
        monkeypatch.setattr(routes, "_XLSX_CELLS", 3)
        refused = client.get("/v1/grids/leases/file?format=xlsx")
        assert (refused.status_code, "4 cells" in refused.text) == (422, True)

        receipt = client.delete("/v1/documents/uploads/oak.md").json()["receipt"]
        assert (receipt["before"]["cells"] > 0, receipt["after"]["cells"]) == (True, 0)
        assert "2029" not in client.get("/v1/grids/leases").text
        assert client.delete("/v1/grids/leases").json() == {"grids": []}
        assert client.get("/v1/grids/leases").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"rows": "sheets"},
        {"columns": []},
        {"columns": COLUMNS[:1] * 2},
        {"columns": [{"name": "A", "question": "x" * 1001}]},
        {"filter": ["type=pdf"]},
        {"colour": "red"},
    ],
)
def test_a_bad_definition_is_refused(client: httpx.Client, change: dict[str, Any]) -> None:
    response = client.post("/v1/grids", json={**GRID, **change})
    assert response.status_code == 422
    assert response.json()["detail"]
    assert client.get("/v1/grids").json() == {"grids": []}


def start_leases(client: httpx.Client) -> httpx.Response:
    put_texts(client, {f"{n}.md": f"The lease of house {n} ends in May 20{n}." for n in range(30)})
    return client.post("/v1/grids", json=GRID)


@pytest.mark.slow
def test_a_killed_service_goes_on_with_a_grid(tmp_path: Path) -> None:
    with process(tmp_path, TEST_SLOW="0.2") as (server, client):
        job = start_leases(client)
        wait_until(lambda: 0 < client.get("/v1/grids/leases").json()["counts"]["waiting"] < 60)
        server.kill()
    with process(tmp_path, TEST_SLOW="0.2") as (_, client):
        interrupted = client.get("/v1/grids/leases").json()
        assert 60 - interrupted["counts"]["waiting"] >= 8, "at most the batch in work is lost"
        put_text(client, "late.md", "The lease of house 99 ends in May 2099.")
        wait(client, job)
        continued = client.get("/v1/grids/leases").json()
        assert continued["counts"]["waiting"] in (0, 2)
        for row, cells in values(continued).items():
            for value_before, value_after in zip(
                values(interrupted).get(row, cells), cells, strict=True
            ):
                assert value_before in (value_after, None)


def test_a_cancelled_grid_keeps_what_was_asked(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.2)) as client:
        job = start_leases(client).json()["job"]
        assert client.delete(f"/v1/jobs/{job}").json()["state"] == "done"
        assert client.get("/v1/grids/leases").json()["counts"]["waiting"] > 0
        put_text(client, "late.md", "The lease of house 99 ends in May 2099.")
        assert client.get("/v1/documents/uploads/late.md").status_code == 200
