"""The token over HTTP: asked for where others can reach the address, and for every path but /health."""

import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from config.errors import ConfigError
from consumers.observability.metrics import Metrics
from serving.http_api.access import Access, HttpNeedsToken
from serving.http_api.server import start_http
from tests.unit.serving.http_api.test_server import WELL

TOKEN = "a token of the shop, für Tests"


@pytest.fixture(scope="module")
def guarded():
    with closing(start_http("127.0.0.1", 0, Metrics().registry, WELL, Access(TOKEN))) as server:
        yield server


def status_of(server, path, authorization=None, method="GET"):
    where = urlsplit(server.url)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=5)) as connection:
        connection.putrequest(method, path)
        if authorization is not None:
            connection.putheader("Authorization", authorization.encode())
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        return response.status


@pytest.mark.parametrize("path", ["/metrics", "/ready", "/models/versions", "/no/such/path", "/metrics/", "/health/x"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} x"],
)
def test_without_the_token_nothing_is_told_but_that_there_is_one(guarded, path, authorization):
    assert status_of(guarded, path, authorization) == 401


@pytest.mark.parametrize("path", ["/metrics", "/ready", "/models/versions"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_with_the_token_everything_is_answered(guarded, path, scheme):
    assert status_of(guarded, path, f"{scheme} {TOKEN}") == 200


def test_health_is_told_to_everybody(guarded):
    assert [status_of(guarded, path) for path in ("/health", "/health/", "/health?x=1")] == [200, 200, 200]


def test_a_refusal_names_the_setting_and_the_scheme(guarded):
    where = urlsplit(guarded.url)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=5)) as connection:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = json.loads(response.read())

    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "http_token" in body["error"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_is_refused_without_a_token_and_with_the_remedies(host):
    with pytest.raises(HttpNeedsToken, match=r"ALSOBOUGHT_HTTP_TOKEN.*http_open = true.*127\.0\.0\.1") as refused:
        start_http(host, 0, Metrics().registry, WELL)

    assert isinstance(refused.value, ConfigError)


@pytest.mark.parametrize("access", [Access(TOKEN), Access(open_to_all=True)])
def test_such_an_address_is_served_with_a_token_or_when_it_is_said_to_be_open(access):
    with closing(start_http("0.0.0.0", 0, Metrics().registry, WELL, access)) as server:
        assert status_of(server, "/health") == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_alone_needs_no_token(address):
    Access().check_address(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1", "192.168.1.2"])
def test_a_private_network_is_not_this_machine_alone(address):
    with pytest.raises(HttpNeedsToken):
        Access().check_address(address)
