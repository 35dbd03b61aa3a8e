"""Who may read over HTTP: everybody on this machine, others with the token; /health is open to all.

In: the address that is listened on, the token that was set, a request. Out: whether it is answered. The promise: an
address that others can reach is never served without a token, unless the setting http_open says so.
"""

import hmac
import ipaddress
from dataclasses import dataclass
from wsgiref.types import WSGIEnvironment

from config.errors import ConfigError

OPEN_PATHS = frozenset({"/health"})  # an orchestrator asks here, and learns no more than that the loop turns


class HttpNeedsToken(ConfigError):
    """Raised at start when others could read without being asked who they are."""


@dataclass(frozen=True, slots=True)
class Access:
    """The token that is asked for; None = none is."""

    token: str | None = None
    open_to_all: bool = False  # whether others may read without a token, too

    def check_address(self, address: str) -> None:
        """Raise `HttpNeedsToken` when `address` is not this machine's alone and nothing guards it."""
        if self.token is None and not self.open_to_all and not _is_loopback(address):
            raise HttpNeedsToken(
                f"http_host = {address} can be reached from other machines: set http_token (ALSOBOUGHT_HTTP_TOKEN, at "
                "least 16 characters), which every path but /health then asks for; or http_open = true, if whoever "
                "can reach it may read it; or let http_host be 127.0.0.1"
            )

    def allows(self, path: str, environ: WSGIEnvironment) -> bool:
        """Whether this request is answered; the comparison takes as long for a wrong token as for a right one."""
        if self.token is None or path in OPEN_PATHS:
            return True
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # WSGI hands bytes out as Latin-1
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1", "replace"), self.token.encode()
        )


NOBODY_ASKED = Access()


def _is_loopback(address: str) -> bool:
    """Of a resolved address; an IPv6 one may have a zone behind a %."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
