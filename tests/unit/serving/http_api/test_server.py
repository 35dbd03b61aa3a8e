"""HTTP beside the loop, over real sockets: what each path answers, and that no client can hurt it."""

import json
import logging
import socket
import urllib.error
import urllib.request
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from config.errors import ConfigError
from consumers.observability.metrics import Metrics
from serving.http_api.access import NOBODY_ASKED, Access
from serving.http_api.server import HttpUnavailable, Probes, start_http

VERSIONS = [{"version": "v2-20261123T100000Z", "products": 3}, {"version": "v1-20261122T100000Z", "products": 2}]
WELL = Probes(heartbeat_age_s=lambda: 0.25, not_ready_because=list, model_versions=lambda: VERSIONS)


def started(probes=WELL, *, host="127.0.0.1", port=0, access=NOBODY_ASKED):
    return closing(start_http(host, port, Metrics().registry, probes, access))


def fetched(url, method="GET"):
    """Return (status, headers, text)."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def asked(path, probes=WELL, method="GET"):
    """Return (status, decoded JSON) of one request to a fresh server."""
    with started(probes) as server:
        status, _, text = fetched(server.url + path, method)
    return status, json.loads(text)


def sent(server, raw):
    """Send bytes as they are and return all that comes back."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(raw)
        with suppress(OSError):  # the server may have heard enough already
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_metrics_are_served_as_prometheus_text():
    with started() as server:
        status, headers, text = fetched(f"{server.url}/metrics")

    assert (status, headers.get_content_type()) == (200, "text/plain")
    assert 'alsobought_events_total{outcome="applied"} 0.0' in text


def test_the_loop_is_healthy_while_its_heartbeat_is_young():
    assert asked("/health") == (200, {"alive": True, "loop_age_s": 0.25, "limit_s": 60.0})


def test_the_loop_is_ill_when_its_heartbeat_is_old():
    status, body = asked("/health", replace(WELL, heartbeat_age_s=lambda: 61.0))

    assert (status, body["alive"]) == (503, False)


def test_the_service_is_ready_without_reasons_against_it():
    assert asked("/ready") == (200, {"ready": True, "reasons": []})


def test_the_service_says_why_it_is_not_ready():
    reasons = ["partitions 2, 3 are still being restored"]

    assert asked("/ready", replace(WELL, not_ready_because=lambda: reasons)) == (
        503,
        {"ready": False, "reasons": reasons},
    )


@pytest.mark.parametrize("query", ["?model_type=recommendations", ""])
def test_model_versions_are_listed_as_they_are_handed_in(query):
    assert asked(f"/models/versions{query}") == (200, VERSIONS)


def test_another_model_type_is_refused_by_name():
    status, body = asked("/models/versions?model_type=churn")

    assert status == 400
    assert body == {
        "error": "model_type must be recommendations",
        "parameter": "model_type",
        "value": "churn",
        "allowed": ["recommendations"],
    }


def test_an_unknown_path_is_not_found_and_the_known_ones_are_named():
    status, body = asked("/metricz")

    assert (status, body["path"]) == (404, "/metricz")
    assert body["paths"] == ["/metrics", "/health", "/ready", "/models/versions"]


@pytest.mark.parametrize("path", ["/metrics", "/health", "/ready", "/models/versions"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_refused_with_the_allowed_ones(path, method):
    with started() as server:
        status, headers, _ = fetched(server.url + path, method)

    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/metrics", "/health"])
def test_head_answers_like_get_without_a_body(path):
    with started() as server:
        status, headers, text = fetched(server.url + path, "HEAD")

    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 0


def test_a_probe_that_fails_is_a_server_error_and_the_next_request_is_answered():
    def broken():
        raise OSError("disk gone")

    with started(replace(WELL, model_versions=broken)) as server:
        broken_status, _, _ = fetched(f"{server.url}/models/versions")
        next_status, _, _ = fetched(f"{server.url}/health")

    assert (broken_status, next_status) == (500, 200)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\x16\x03\x01 nonsense\r\n\r\n",
        b"GET " + b"/x" * 50_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAccept: ;;q=x,*/*;q=\xff\r\nAccept-Encoding: \xfe\r\n\r\n",
        b"GET /models/versions?model_type=%ff%00&&=;% HTTP/1.1\r\n\r\n",
        b"POST /health HTTP/1.1\r\nContent-Length: abc\r\n\r\nxyz",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_an_odd_request_neither_stops_the_server_nor_is_logged(raw, caplog, capfd):
    caplog.set_level(logging.INFO)

    with started() as server:
        answer = sent(server, raw)
        status, _, _ = fetched(f"{server.url}/health")

    assert status == 200
    assert b"Traceback" not in answer
    assert b"\r\nSet-Cookie" not in answer
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_client_that_hangs_up_early_hurts_nobody(capfd):
    with started() as server:
        host, port = server.url.removeprefix("http://").split(":")
        for _ in range(20):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                # Zero linger: the connection is reset rather than closed.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        status, _, _ = fetched(f"{server.url}/health")

    assert status == 200
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_refused_with_setting_value_and_remedy():
    with started() as first:
        port = int(first.url.rsplit(":", 1)[1])

        with pytest.raises(HttpUnavailable, match=rf"http_port = {port} is taken on 127\.0\.0\.1.*--http-port"):
            start_http("127.0.0.1", port, Metrics().registry, WELL)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "x" * 300, "999.1.1.1"])
def test_an_address_that_is_not_ours_is_refused_with_setting_value_and_remedy(host):
    with pytest.raises(ConfigError, match=r"http_host = .* is no address of this machine .*--http-host"):
        start_http(host, 0, Metrics().registry, WELL)


def test_the_port_is_free_again_after_close():
    with started() as first:
        port = int(first.url.rsplit(":", 1)[1])

    with started(port=port) as second:
        assert second.url == first.url


def test_a_server_on_all_addresses_names_the_local_one():
    with started(host="0.0.0.0", access=Access(open_to_all=True)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert fetched(f"{server.url}/ready")[0] == 200
