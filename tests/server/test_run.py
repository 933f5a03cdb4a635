import socket
from pathlib import Path

import pytest

from rag.cli.cmd_serve import foreseen
from rag.errors import InputError, ModelError
from rag.server.app import create_app
from rag.server.serve import bound
from rag.server.state import Backend, Service
from rag.settings import Settings


def test_answers_are_not_delayed() -> None:
    """asyncio disables Nagle's algorithm only for sockets created as TCP; with it, every small
    response takes 40 ms longer.
    """
    with bound(Settings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "x" * 99])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(InputError, match="cannot serve at"):
        bound(Settings(host=host, port=0))


def failing(settings: Settings) -> Backend:
    raise RuntimeError("a wheel for another processor")


def test_an_unexpected_opening_error_is_logged_and_not_bad_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[BaseException] = []
    service: Service = create_app(Settings(index=tmp_path), failing, failures.append).state.service
    service.start()
    service.models.opened.exception(30)
    service.close()
    (failure,) = failures
    said = foreseen(failure)
    assert said.exit_code not in (0, InputError.exit_code)
    assert "RuntimeError: a wheel for another processor" in said.message
    assert "Traceback" in caplog.text
    assert "in failing" in caplog.text


def test_expected_errors_keep_their_exit_code() -> None:
    failure = ModelError("no model", "get one")
    assert foreseen(failure) is failure
