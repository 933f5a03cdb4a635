from collections.abc import Iterator

import httpx
import pytest

from tests.server.fake_server import put_text, serving

LEASE = "# Lease\n\nThe lease ends in May 2027. The tenant is Ada Lovelace."
OMAN = "Oman hosted the secret talks. The talks were led by William Burns \U0001f54a in Muscat."


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with two documents, without a key."""
    with serving(tmp_path_factory.mktemp("served"), max_upload_mb=4) as made:
        put_text(made, "lease.md", LEASE)
        put_text(made, "oman.txt", OMAN)
        yield made
