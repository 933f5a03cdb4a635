"""A module that tests run in a child process: it reports what the process may do."""

import json
import os
import socket
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    task = arguments[0]
    if task == "environment":
        print(json.dumps(dict(os.environ)))
    elif task == "connect":
        with socket.create_connection(("127.0.0.1", int(arguments[1])), timeout=5):
            print("connected")
    elif task == "memory":
        print(len(bytearray(int(arguments[1]) << 20)))
    elif task == "spin":
        while True:
            pass
