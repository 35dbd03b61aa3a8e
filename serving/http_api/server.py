"""HTTP beside the loop: /metrics, /health, /ready and /models/versions, answered by daemon threads.

In: a registry and callables that say how things stand. Out: a server with a `url` and a `close()`.
The promise: nothing that a client sends can stop the service, and an answer never waits for the loop.
"""

import errno
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from config.errors import ConfigError
from serving.http_api.access import NOBODY_ASKED, Access, HttpNeedsToken
from serving.http_api.wsgi import QuietServer

_JSON = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")]
_MODEL_TYPE = "recommendations"
_SHOWN_CHARACTERS = 200

_log = structlog.get_logger(__name__)


class HttpUnavailable(ConfigError):
    """Raised at start when the address cannot be listened on; the text names the setting, its value and a remedy."""


@dataclass(frozen=True, slots=True)
class Probes:
    """How the service stands; each callable is called from an HTTP thread and must be quick.

    `not_ready_because` returns the reasons why requests are not answered yet, none = ready (a model that is knowingly
    absent is no reason). `warnings` returns what is wrong beside that. `model_versions` returns JSON-ready objects,
    newest first.
    """

    heartbeat_age_s: Callable[[], float]
    not_ready_because: Callable[[], Sequence[str]]
    model_versions: Callable[[], Sequence[Mapping[str, object]]]
    heartbeat_limit_s: float = 60.0
    warnings: Callable[[], Sequence[str]] = tuple  # what is wrong though requests are answered


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: object
    headers: tuple[tuple[str, str], ...] = ()


_TOKEN_WANTED = _Answer(
    HTTPStatus.UNAUTHORIZED,
    {"error": "this path asks for the token: send Authorization: Bearer TOKEN, the setting http_token"},
    (("WWW-Authenticate", 'Bearer realm="alsobought"'),),
)


class HttpServer:
    """A server that answers until it is closed."""

    def __init__(self, server: QuietServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the server answers, such as http://127.0.0.1:8000; of all addresses of a machine, the local one."""
        host, port = self._server.server_address[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))  # noqa: S104 - only shown
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    def close(self) -> None:
        """Stop answering and free the port; answers on their way may be cut off."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_http(
    host: str, port: int, registry: CollectorRegistry, probes: Probes, access: Access = NOBODY_ASKED
) -> HttpServer:
    """Listen on `host` and `port` (0 = any free one) and answer from now on. Raises HttpUnavailable, HttpNeedsToken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        server = QuietServer(address, family)
    except (OSError, UnicodeError) as error:
        raise HttpUnavailable(_why_unavailable(error, host, port)) from error
    try:
        access.check_address(str(address[0]))
    except HttpNeedsToken:
        server.server_close()
        raise
    server.set_app(HttpApp(registry, probes, access))
    return HttpServer(server)


class HttpApp:
    """The WSGI application: a table of paths."""

    def __init__(self, registry: CollectorRegistry, probes: Probes, access: Access) -> None:
        self._probes = probes
        self._access = access
        self._metrics = make_wsgi_app(registry)
        self._paths: dict[str, Callable[[WSGIEnvironment], _Answer]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/models/versions": self._model_versions,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer one request; HEAD gets what GET gets, without the body."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "").rstrip("/")
        allowed = self._access.allows(path, environ)
        if allowed and path == "/metrics" and method in {"GET", "HEAD"}:
            return self._scrape(environ, start_response)
        answer = self._answer(method, path, environ) if allowed else _TOKEN_WANTED
        text = json.dumps(answer.body, default=str).encode() + b"\n"
        headers = [*_JSON, *answer.headers, ("Content-Length", str(len(text)))]
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if method == "HEAD" else [text]

    def _scrape(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *start: begun.append(start)))
        status, headers = begun[0]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, method: str, path: str, environ: WSGIEnvironment) -> _Answer:
        handler = self._paths.get(path)
        if handler is None and path != "/metrics":
            known = ["/metrics", *self._paths]
            return _Answer(
                HTTPStatus.NOT_FOUND, {"error": "unknown path", "path": path[:_SHOWN_CHARACTERS], "paths": known}
            )
        if handler is None or method not in {"GET", "HEAD"}:
            body = {"error": "this path is only read", "allowed": ["GET", "HEAD"]}
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, body, (("Allow", "GET, HEAD"),))
        try:
            return handler(environ)
        except Exception as error:  # noqa: BLE001 - a probe that fails is an answer, not the end of the server
            _log.warning("http_probe_failed", path=path, error=repr(error))
            return _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "the service could not say; see its log"})

    def _health(self, _: WSGIEnvironment) -> _Answer:
        age_s, limit_s = self._probes.heartbeat_age_s(), self._probes.heartbeat_limit_s
        alive = age_s < limit_s
        body = {"alive": alive, "loop_age_s": round(age_s, 3), "limit_s": limit_s}
        return _Answer(HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE, body)

    def _ready(self, _: WSGIEnvironment) -> _Answer:
        reasons = list(self._probes.not_ready_because())
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        warnings = list(self._probes.warnings())
        body = {"ready": not reasons, "reasons": reasons}
        return _Answer(status, body | ({"warnings": warnings} if warnings else {}))

    def _model_versions(self, environ: WSGIEnvironment) -> _Answer:
        asked = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get("model_type", [_MODEL_TYPE])[-1]
        if asked != _MODEL_TYPE:
            body = {
                "error": f"model_type must be {_MODEL_TYPE}",
                "parameter": "model_type",
                "value": asked[:_SHOWN_CHARACTERS],
                "allowed": [_MODEL_TYPE],
            }
            return _Answer(HTTPStatus.BAD_REQUEST, body)
        return _Answer(HTTPStatus.OK, list(self._probes.model_versions()))


def _why_unavailable(error: Exception, host: str, port: int) -> str:
    code: Any = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"http_port = {port} is taken on {host}: stop what listens there, or choose another port "
            "with --http-port or ALSOBOUGHT_HTTP_PORT (0 takes any free one)"
        )
    if code == errno.EACCES:
        return f"http_port = {port} may not be used by this user: choose one from 1024 to 65535 with --http-port"
    return (
        f"http_host = {host!r} is no address of this machine ({getattr(error, 'strerror', None) or error}): "
        "choose 127.0.0.1 for this machine alone or 0.0.0.0 for every network, with --http-host"
    )
