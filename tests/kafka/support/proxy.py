"""A TCP proxy between a service and its broker, that can hold what passes or drop every connection, as networks do."""

import contextlib
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kafka.support.background import Background

_AT_ONCE = 65_536
_TURN_S = 0.05


class Proxy(Background):
    """A context manager. It listens on `port` at once; `target` is set before the first connection comes.

    While it is `held` nothing passes and new connections are taken but not served; while it is `cut` there are none.
    """

    def __init__(self) -> None:
        super().__init__("the proxy")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.target = 0
        self.held = self.cut = False
        self._peers: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Nothing passes for a while; then what was held does."""
        self.held = True
        try:
            yield
        finally:
            self.held = False

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """Every connection is closed, and each new one at once."""
        self.cut = True
        try:
            yield
        finally:
            self.cut = False

    def work(self) -> None:
        self._selector.register(self._listening, selectors.EVENT_READ)
        try:
            while not self.ended.is_set():
                if self.held:
                    self.ended.wait(_TURN_S)
                    continue
                if self.cut:
                    for one in list(self._peers):
                        self._close(one)
                for key, _ in self._selector.select(_TURN_S):
                    self._serve(key.fileobj)  # type: ignore[arg-type]
        finally:
            for one in list(self._peers):
                self._close(one)
            self._listening.close()

    def _serve(self, one: socket.socket) -> None:
        if one is self._listening:
            self._take()
        elif one in self._peers:
            self._pass_on(one)

    def _take(self) -> None:
        client, _ = self._listening.accept()
        if self.cut:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(_AT_ONCE)
            if data:
                self._peers[one].sendall(data)
                return
        except OSError:
            pass
        self._close(one)

    def _close(self, one: socket.socket) -> None:
        for each in (one, self._peers.pop(one, None)):
            if each is not None:
                self._peers.pop(each, None)
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
