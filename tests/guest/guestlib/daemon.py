"""The daemon under test: started as a user starts it, and judged by how it ends."""

from pathlib import Path

from guestlib.failure import CaseFailure
from guestlib.process import Supervised, wait_until

START_LIMIT = 15
END_LIMIT = 15


class Daemon:
    def __init__(self, tag: str, program: str, share: Path, directory: Path, log: Path, options: list[str],
                 env: dict[str, str]) -> None:
        """`directory` holds the socket and nothing else: what is left in it afterwards, the daemon has left."""
        self._name = f"daemon of {tag}"
        self.socket = directory / "fs.sock"
        self.log = log
        command = [program, f"--shared-dir={share}", f"--socket-path={self.socket}", *options]
        self.process = Supervised(command, log, env=env)

    def wait_for_socket(self) -> None:
        """Returns when the socket exists. Its bind comes before its listen, but a front end's connect may not."""
        wait_until(lambda: self._is_listening() or self.process.status() is not None, START_LIMIT)
        if self.process.status() is not None:
            raise CaseFailure(f"{self._name}: expected it to listen on its socket, "
                              f"it ended with {self.process.status()}")
        if not self._is_listening():
            raise CaseFailure(f"{self._name}: expected its socket within {START_LIMIT} s, saw none")

    def _is_listening(self) -> bool:
        # /proc/net/unix tells of listen(2) without a connection, of which the daemon accepts only one.
        flag_listening = 0x10000
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
            for line in table:
                fields = line.split()
                if fields[-1] == str(self.socket) and int(fields[3], 16) & flag_listening:
                    return True
        return False

    def expect_end(self) -> None:
        """The front end has gone: the daemon must end by itself, with status 0."""
        status = self.process.wait(END_LIMIT)
        if status is None:
            raise CaseFailure(f"{self._name}: expected it to end within {END_LIMIT} s of the guest's end, it still runs")
        if status != 0:
            raise CaseFailure(f"{self._name}: expected exit status 0 after the guest's end, saw {status}")
