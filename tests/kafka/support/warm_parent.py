"""A process that has imported the service and forks for each start, so that a start costs no import.

In: the program of a service, its environment, folder and log. Out: `WarmProcess`, which is used as a `Popen` is: a
session of its own, signals by its process id, its exit code. Promise: the parent has neither a Kafka client nor a
database nor a thread of Python's when it forks; what it started ends when it does, however the tests end.

A service started like this is `alsobought run` from its command line on, at another pace; its trainer is a process of
its own that imports for itself. `python -m serving` itself is started by tests marked for it (`Service.cold`).
"""

import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from config.settings import Settings
from consumers.pace import Pace
from model.ranking.kernel.compilation import load_if_compiled
from serving.cli.main import main

ROOT = Path(__file__).parents[3]
_MOST_BYTES = 1 << 18
_MOST_TOLD = 100
_START_S = 60.0


class WarmProcess:
    """A service that was forked. It stays a zombie until its exit code was read, so its id is never another's."""

    def __init__(self, line: socket.socket) -> None:
        """`line` tells its process id, then its exit code."""
        self._line = line
        self.returncode: int | None = None
        line.settimeout(_START_S)
        told = line.recv(_MOST_TOLD)
        if not told:
            line.close()
            raise RuntimeError("no service was forked: what its parent said stands among pytest's output")
        self.pid = int(told)

    def poll(self) -> int | None:
        """The exit code, below 0 where a signal ended it; None while it runs."""
        return self._code(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. `subprocess.TimeoutExpired` after so many seconds."""
        code = self._code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("alsobought run", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _code(self, timeout_s: float | None) -> int | None:
        if self.returncode is None:
            self._line.settimeout(timeout_s)
            try:
                told = self._line.recv(_MOST_TOLD)
            except (TimeoutError, BlockingIOError):
                return None
            self.returncode = int(told) if told else -signal.SIGKILL  # the parent has ended, and it with the parent
            self._line.close()  # now the parent lets it go
        return self.returncode


class WarmParent:
    """The tests' hold on it: started with the first service, ended by `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(
        self, arguments: Sequence[str], *, pace: Pace, environment: Mapping[str, str], folder: Path, log: int
    ) -> WarmProcess:
        """`alsobought ARGUMENTS` in this folder; `log` is the open file that takes what it prints."""
        control = self._control or self._begin()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = {"arguments": arguments, "environment": dict(environment), "folder": str(folder), "pace": asdict(pace)}
        with theirs:
            socket.send_fds(control, [json.dumps(asked).encode()], [theirs.fileno(), log])
        return WarmProcess(ours)

    def close(self) -> None:
        """End it and whatever it started that still runs."""
        if self._process and self._control:
            self._control.close()
            self._process.wait(_START_S)
            self._process = self._control = None

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for pytest, which then closes us
            )
        self._control = ours
        return ours


class _Server:
    """The parent's side: forks when asked, tells exit codes, and lets go of the ended when nobody listens any more."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._has_kernel = False
        self._lines: dict[socket.socket, int] = {}  # to whoever asked -> process id
        self._handles: dict[int, socket.socket] = {}  # of processes that run -> the line to tell of their end
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> dict[str, object]:
        """Returns in each process that was forked, with what was asked; the parent itself never returns."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    asked = self._asked()
                    if asked is not None:
                        return asked
                elif isinstance(key.fileobj, int):
                    self._ended(key.fileobj)
                elif key.fileobj in self._lines:
                    self._let_go(key.fileobj)

    def _asked(self) -> dict[str, object] | None:
        message, handles, *_ = socket.recv_fds(self._control, _MOST_BYTES, 2)
        if not message:
            self._end()
        line, log = socket.socket(fileno=handles[0]), handles[1]
        self._has_kernel = self._has_kernel or load_if_compiled(Settings().kernel_folders)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            self._forget(line)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            asked: dict[str, object] = json.loads(message)
            return asked
        os.close(log)
        handle = os.pidfd_open(pid)
        self._lines[line], self._handles[handle] = pid, line
        self._selector.register(handle, selectors.EVENT_READ)
        self._selector.register(line, selectors.EVENT_READ)
        line.send(str(pid).encode())
        return None

    def _ended(self, handle: int) -> None:
        """Tell the exit code; the zombie stays until whoever asked has read it."""
        line = self._handles.pop(handle)
        self._selector.unregister(handle)
        os.close(handle)
        ended = os.waitid(os.P_PID, self._lines[line], os.WEXITED | os.WNOWAIT)
        assert ended is not None, "it waits"
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        try:
            line.send(str(code).encode())
        except OSError:  # nobody listens any more, which the next turn hears too
            return

    def _let_go(self, line: socket.socket) -> None:
        """Nobody waits for it any more: it ends, where it has not ended already."""
        pid = self._lines.pop(line)
        for handle in [handle for handle, other in self._handles.items() if other is line]:
            os.kill(pid, signal.SIGKILL)
            self._selector.unregister(handle)
            del self._handles[handle]
            os.close(handle)
        os.waitpid(pid, 0)
        self._selector.unregister(line)
        line.close()

    def _end(self) -> NoReturn:
        for line in list(self._lines):
            self._let_go(line)
        sys.exit(0)

    def _forget(self, line: socket.socket) -> None:
        """In the forked process: nothing of the parent's stays open."""
        self._selector.close()
        for other in (*self._lines, line, self._control):
            other.close()
        for handle in self._handles:
            os.close(handle)


def _serve(handle: int) -> None:
    # what every start would import, and the tests themselves need not
    for module in ("serving.cli.run", "serving.runtime.service"):
        importlib.import_module(module)
    asked = _Server(socket.socket(fileno=handle)).serve()
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[arg-type]  # as it was sent
    time.tzset()
    os.chdir(str(asked["folder"]))
    sys.argv = ["alsobought", *asked["arguments"]]  # type: ignore[misc]  # as it was sent
    main(Pace(**asked["pace"]))  # type: ignore[arg-type]  # as it was sent


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
