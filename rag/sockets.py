"""Shuts a socket at a deadline, which its own timeout does not enforce."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def shut_at(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut the socket down at the deadline, a `time.monotonic` time, with a TimeoutError. Its own
    timeout starts again with each byte that a peer sends now and then.
    """
    is_late = threading.Event()

    def shut() -> None:
        is_late.set()
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which another thread uses

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_late.is_set():
            raise TimeoutError("the deadline has passed") from error
        raise
    finally:
        timer.cancel()
    if is_late.is_set():
        raise TimeoutError("the deadline has passed")
