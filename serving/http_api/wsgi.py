"""The standard library's threading WSGI server, made quiet and patient: no access log, no look-ups, a time limit."""

import logging
import socket
import sys
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

_log = logging.getLogger(__name__)


class _QuietHandler(WSGIRequestHandler):
    timeout = 10  # seconds without a byte, then the connection is closed and its thread ends

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Write no access log: the metrics count, and a scrape every few seconds is no news."""


class QuietServer(ThreadingMixIn, WSGIServer):
    """Listens at once; `address` as getaddrinfo gives it for `family`. Raises OSError when it cannot."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: Any, family: int) -> None:
        self.address_family = family
        super().__init__(address, _QuietHandler)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which can take seconds."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """A client that went away or sent nonsense is worth a line for the curious only."""
        _log.debug("an HTTP connection failed: %r", sys.exception())
