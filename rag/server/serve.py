"""Runs the application on uvicorn."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from rag.engine import Engine
from rag.errors import InputError, RagError
from rag.server.api_keys import keys_of
from rag.server.app import create_app
from rag.server.auth import LOOPBACK
from rag.server.connections import HEADER_SECONDS, Connections, limits, most_files
from rag.server.owner_files import local_token, redirect_file
from rag.server.state import open_engine
from rag.settings import Settings

_PATIENCE, _DRAIN, _EXIT = 8, 12, 20
"""Seconds after a signal until work that is not finished is refused, until its connections are cut,
and until the process ends, whatever it computes."""
_TLS_REASONS = {
    "KEY_VALUES_MISMATCH": "the key belongs to another certificate",
    "EE_KEY_TOO_SMALL": "the key is too short",
    None: "the certificate or its key is missing, or not in PEM form",
}
"""By OpenSSL's reason."""
_SWITCH_SECONDS = 0.0001
"""How long a thread that computes keeps Python's lock while others wait; Python's default is 50
times as long. A search gives the lock back about 40 times, at each call of the system or of SQLite,
and then waits this long for each thread that computes.
"""


def check_binding(settings: Settings) -> None:
    """Raises InputError if other machines could use the service without a key."""
    if settings.host not in LOOPBACK and all(key.revoked for key in keys_of(settings).all()):
        danger = f"binding to {settings.host} lets other machines ask and change documents"
        hint = "create one with: rag keys add NAME; or leave out --host"
        raise InputError(f"{danger}, and there is no API key", hint)


def run(
    settings: Settings,
    json_log: bool,
    open_index: Callable[[Settings], Engine] = open_engine,
    token: str = "",
    open_page: bool = False,
) -> BaseException | None:
    """Serve until a signal, then answer pending questions for a few seconds. A second signal ends
    the process at once.

    `token` is required while there are no keys, and is part of the printed address. `open_page`
    opens it in the browser. Returns the error that stopped the index from being opened.
    """
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    logging.getLogger("rag").setLevel(logging.INFO)
    if json_log:  # requests are logged as JSON in any case
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_JsonLines())
    app = create_app(settings, lambda settings: lasting(open_index(settings)), fail, token)
    server = server_of(app, settings)
    with bound(settings) as listening:
        host, port = listening.getsockname()[:2]
        shown_host = f"[{host}]" if ":" in host else host
        # the part after # is not sent to servers, logged, or put into a Referer header
        scheme = "https" if settings.certfile else "http"
        address = f"{scheme}://{shown_host}:{port}/" + (f"#token={token}" if token else "")
        if json_log:
            logging.getLogger("rag.server").info("serving %s", address)
        else:
            print(f"rag: {address}", file=sys.stderr, flush=True)
        if settings.gate:
            base = address.partition("#")[0]
            log = logging.getLogger("rag.server")
            log.info("answers of %s are checked at %sv1/gate", settings.gate, base)
        if open_page:
            threading.Thread(target=_open_browser, args=(server, address), daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at the end
            signal.signal(number, lambda *_: None)
        try:
            sys.setswitchinterval(_SWITCH_SECONDS)
            server.run([listening])
        finally:  # resources left open would keep the process alive
            app.state.service.close()
    return failures[0] if failures else None


def lasting(engine: Engine) -> Engine:
    """The engine, which Python's collector ignores from now on, with all modules. It would look at
    them again and again, for 90 to 130 ms each time, in which no thread runs.
    """
    gc.collect()
    gc.freeze()
    return engine


def _open_browser(server: uvicorn.Server, address: str) -> None:
    """Open the address in the browser once the service listens."""
    while not server.started and not server.should_exit:
        time.sleep(0.05)
    log, opened = logging.getLogger(__name__), False
    try:
        place = redirect_file(address).as_uri() if "#" in address else address
        opened = webbrowser.open(place)
    except (OSError, RuntimeError, RagError) as error:
        log.debug("no file for the browser: %s", error)
    if not opened:
        log.warning("no browser could be opened: open %s", address)


class _UvicornServer(uvicorn.Server):
    """A server that ends some time after a signal, and at once after a second one. uvicorn would
    skip closing the service then and wait for its threads.
    """

    def __init__(self, config: uvicorn.Config, refuse: Callable[[], object]) -> None:
        """`refuse` ends the work that is not finished."""
        super().__init__(config)
        self._refuse = refuse
        self._is_ending = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Exit at once. Accepted uploads survive, as after a kill; the next start resumes them."""
        if self._is_ending:
            _exit_at_once(128 + sig)
        self._is_ending = True
        _call_later(_PATIENCE, self._refuse)
        _call_later(_EXIT, lambda: _exit_at_once(0))
        super().handle_exit(sig, frame)


def _call_later(seconds: float, function: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()


def _exit_at_once(status: int) -> None:
    os.write(2, b"rag: stopped at once\n")  # print might be what the signal has interrupted
    os._exit(status)


def token_of(settings: Settings, no_key: bool) -> str:
    """The index's token; "" if none is needed. Raises InputError if others could use that."""
    check_binding(settings)
    _tls_of(settings)
    return "" if no_key or keys_of(settings).all() else local_token(settings.index)


def _tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The certificate with its key; None without TLS. Raises InputError if unusable."""
    if settings.keyfile and not settings.certfile:
        raise InputError("--keyfile needs --certfile", "add the certificate: --certfile cert.pem")
    if not settings.certfile:
        return None
    tls, path = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ""
    try:
        for path in filter(None, (settings.certfile, settings.keyfile)):
            Path(path).read_bytes()  # ssl does not say which of the two is missing
        tls.load_cert_chain(settings.certfile, settings.keyfile or None, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
        files = f"{settings.certfile} {settings.keyfile}".strip()
        message = f"TLS cannot be served with {files}: {_TLS_REASONS.get(reason, reason)}"
        hint = "give --certfile a PEM certificate, and --keyfile its key, without a password"
        raise InputError(message, hint) from error
    except OSError as error:
        message = f"TLS cannot be served: {path} cannot be read: {error.strerror}"
        raise InputError(message, "check --certfile and --keyfile") from error
    return tls


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def server_of(
    app: FastAPI,
    settings: Settings,
    header_seconds: float = HEADER_SECONDS,
    most_connections: int = 0,
) -> uvicorn.Server:
    """uvicorn with a timeout for headers, and so many connections; 0 is as many as files allow."""
    files, backlog = limits(most_files())
    tls = _tls_of(settings)
    connections = Connections(app, most_connections or files, header_seconds, tls)
    config = uvicorn.Config(
        connections,
        log_config=None,
        access_log=False,
        server_header=False,
        http=connections.protocol,
        proxy_headers=False,  # Connections looks at them
        ws="none",
        lifespan="on",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_DRAIN,
        backlog=backlog,
    )
    return _UvicornServer(config, app.state.service.stop)


def bound(settings: Settings) -> socket.socket:
    """Bind the port before anything is loaded, to report a port in use at once."""
    try:
        addresses = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        family, kind, protocol, _, address = addresses[0]
        # without the protocol, asyncio leaves Nagle's algorithm on, which costs 40 ms per answer
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"cannot serve at {settings.host} port {settings.port}: {reason}"
        hint = "choose another with --port, or use --port 0 for a free one"
        raise InputError(message, hint) from error
    return listening


class _JsonLines(logging.Formatter):
    """Log records as one JSON object per line."""

    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        message, line = record.getMessage(), {"time": self.formatTime(record)}
        line |= {"level": record.levelname.lower(), "logger": record.name}
        is_request = record.name == "rag.requests" and message.startswith("{")
        line |= json.loads(message) if is_request else {"message": message}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)
