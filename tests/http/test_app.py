"""What every role answers besides its own routes: errors, health, readiness, metrics, documentation."""

import pytest

from smsgw.core.events import Crashed
from tests.http.conftest import Server


async def test_an_api_error_is_answered_as_it_was_raised(server: Server) -> None:
    answer = await server.get("/refuse")

    assert answer.status == 409
    assert answer.headers["retry-after"] == "1"
    assert answer.json == {
        "error_code": "IN_USE",
        "message": "It is in use.",
        "details": {"a": 1},
        "tracking_id": "t-1",
        "timestamp": "2026-01-02T03:04:05Z",
    }


async def test_a_bug_is_stated_and_says_nothing_to_the_caller(server: Server) -> None:
    answer = await server.get("/crash")

    assert (answer.status, answer.error_code) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body
    assert b"ZeroDivision" not in answer.body
    (crash,) = server.crashes
    assert isinstance(crash, Crashed)
    assert (crash.where, type(crash.error)) == ("GET /crash", ZeroDivisionError)


@pytest.mark.parametrize(
    "path", ["/nope", "/docs/assets/nope.js", "/docs/assets/..%2fdocs.js", "/schema/nope", "/%00", "/docs/../healthz"]
)
async def test_an_address_that_does_not_exist(server: Server, path: str) -> None:
    answer = await server.get(path)

    assert (answer.status, answer.error_code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_a_method_that_an_address_does_not_take(server: Server, method: str) -> None:
    answer = await server.ask(f"{method} /healthz HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    assert (answer.status, answer.error_code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("problem", [None, "connection refused"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_head_is_get_without_the_body(server: Server, path: str, problem: str | None) -> None:
    server.problem = problem
    whole = await server.get(path)

    connection = await server.connect()
    await connection.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head, rest = await connection.everything()

    assert head.startswith(f"HTTP/1.1 {whole.status} ".encode())
    assert f"content-length: {len(whole.body)}\r\n".encode() in head
    assert rest == b""


async def test_a_health_probe_in_http_1_0_needs_no_host(server: Server) -> None:
    answer = await server.ask(b"GET /readyz HTTP/1.0\r\n\r\n")

    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_parameter_of_the_wrong_type_is_named(server: Server) -> None:
    answer = await server.get("/bounded?limit=x")

    assert (answer.status, answer.error_code) == (400, "INVALID_PAYLOAD")
    assert "limit" in answer.json["details"]
    assert server.facts == []


async def test_health_does_not_ask_anybody(server: Server) -> None:
    server.problem = "away"

    answer = await server.get("/healthz")

    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_ready_when_every_dependency_is_fine(server: Server) -> None:
    answer = await server.get("/readyz")

    assert (answer.status, answer.json) == (200, {"status": "ready"})


async def test_not_ready_names_the_dependency(server: Server) -> None:
    server.problem = "connection refused"

    answer = await server.get("/readyz")

    assert (answer.status, answer.error_code) == (503, "NOT_READY")
    assert answer.json["details"] == {"broker": "connection refused"}
    assert "broker" in answer.json["message"]


async def test_metrics_are_given_as_they_are(server: Server) -> None:
    answer = await server.get("/metrics")

    assert (answer.status, answer.body) == (200, b"a_metric 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/openapi.json", "/schema/openapi.json", "/schema"])
async def test_the_description_is_json(server: Server, path: str) -> None:
    answer = await server.get(path)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["info"]["title"] == "A title"
    assert {"/healthz", "/readyz", "/metrics", "/echo"} <= set(answer.json["paths"])
    assert not [each for each in answer.json["paths"] if each.startswith(("/docs", "/schema"))]


@pytest.mark.parametrize(("path", "accept"), [("/docs", "*/*"), ("/schema", "text/html,application/xml;q=0.9")])
async def test_the_documentation_page_needs_nobody_else(server: Server, path: str, accept: str) -> None:
    page = await server.get(path, f"Accept: {accept}")
    text = page.body.decode()
    used = [word.split('"')[0] for word in text.replace('href="', 'src="').split('src="')[1:]]

    assets = [await server.get(each) for each in used]

    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "http://" not in text
    assert "https://" not in text
    assert "<script>" not in text
    assert len(used) == 6
    assert all(each.startswith("/") for each in used)
    assert [asset.status for asset in assets] == [200] * 6
