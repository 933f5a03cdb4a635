"""`sslmode` against a real server, with a certificate and without."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster, debian
from tests.store.helpers import EXPECT, put_text

NAME = "db.example.org"


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for NAME that nobody else signed, and its key."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command = ["openssl", "req", "-x509", *curve, *names, "-days", "2", "-keyout", key]
    subprocess.run([*command, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def secure() -> Iterator[Cluster]:
    """A server with a certificate for NAME, which it signed itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    cluster = Cluster(debian())
    cert, key = certificate(cluster.folder)
    for file in (cert, key):
        os.chmod(file, 0o600)
        if os.geteuid() == 0:
            shutil.chown(file, cluster.user)
    try:
        yield cluster.start(ssl="on", ssl_cert_file=cert, ssl_key_file=key)
    finally:
        cluster.remove()


def cause(dsn: str) -> str:
    """Why the store cannot be opened."""
    with pytest.raises(StoreError) as refused:
        PostgresStore(dsn, EXPECT, create=True)
    return str(refused.value)


def test_require_encrypts(secure: Cluster) -> None:
    store = PostgresStore(f"{secure.dsn()}?sslmode=require", EXPECT, create=True)
    put_text(store, "a.txt", "Herring swims.")
    (encrypted,) = secure.execute(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    assert encrypted == (True,)
    assert store.stats().documents == 1
    store.close()


def test_verify_full_takes_only_a_certificate_of_the_name(secure: Cluster, tmp_path: Path) -> None:
    root, host = "sslmode=verify-full&sslrootcert=", f"{NAME}:{secure.port}"
    by_name = f"postgresql://rag@{host}/postgres?hostaddr=127.0.0.1&{root}"
    certificate_file = secure.folder / "cert.pem"
    PostgresStore(f"{by_name}{certificate_file}", EXPECT, create=True).close()
    assert 'does not match host name "127.0.0.1"' in cause(
        f"{secure.dsn()}?{root}{certificate_file}"
    )
    assert "certificate verify failed" in cause(f"{by_name}{certificate(tmp_path)[0]}")


def test_require_refuses_a_server_without_encryption(cluster: Cluster) -> None:
    assert "server does not support SSL" in cause(f"{cluster.dsn()}?sslmode=require")
