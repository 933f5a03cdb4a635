import socket

import pytest

from rag.errors import InputError
from rag.serving.run import bound
from rag.settings import Settings


def test_answers_are_not_held_back() -> None:
    """asyncio turns Nagle's delay off only for sockets that are made as TCP; with it every small answer takes 40 ms more."""
    with bound(Settings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_an_address_that_is_not_this_machine_s_is_named() -> None:
    with pytest.raises(InputError, match="cannot serve at"):
        bound(Settings(host="no.such.host.invalid", port=0))
