"""A minimal client of QEMU's machine protocol."""

import json
import socket
from pathlib import Path

from guestlib.failure import CaseFailure
from guestlib.process import wait_until

ANSWER_LIMIT = 20


class Qmp:
    def __init__(self, path: Path) -> None:
        if not wait_until(path.exists, ANSWER_LIMIT):
            raise CaseFailure(f"QEMU: expected its QMP socket within {ANSWER_LIMIT} s, saw none")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_LIMIT)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._read()  # greeting
        self.call("qmp_capabilities")

    def _read(self) -> dict:
        line = self._lines.readline()
        if not line:
            raise CaseFailure("QEMU: expected an answer on QMP, saw the connection closed")
        return json.loads(line)

    def call(self, command: str, **arguments: object) -> object:
        request: dict[str, object] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._read()
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise CaseFailure(f"QEMU: expected {command} to succeed, saw {message['error']}")
            # Anything else is an event.

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
