"""What the door goes by where it stands: behind a proxy, over TLS, on a laptop."""

from ipaddress import ip_network

import httpx
import pytest

from smsgw.core.people import Role
from smsgw.worker.console.console import ConsoleRules
from tests.unit.console.rig import PASSWORD, Rig

PROXY = "10.0.0.1"
BEHIND = ConsoleRules(trusted_proxies=(ip_network("10.0.0.0/8"),))


async def sign_in(rig: Rig, *, base: str, origin: str, client: str = PROXY, **headers: str) -> httpx.Response:
    """Sign in as `ada` from an address, as a browser at `base` does."""
    transport = httpx.ASGITransport(rig.app, client=(client, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as caller:
        page = await caller.get("/console/sign-in")
        token = page.text.partition('name="csrf" value="')[2][:64]
        cookies = "; ".join(each.partition(";")[0] for each in page.headers.get_list("set-cookie"))
        return await caller.post(
            "/console/sign-in",
            data={"csrf": token, "name": "ada", "password": PASSWORD},
            headers={"Origin": origin, "Cookie": cookies},
        )


async def rig_with_ada(rules: ConsoleRules) -> Rig:
    rig = Rig(rules=rules)
    await rig.user("ada", Role.ADMIN)
    return rig


async def test_on_a_laptop_cookies_go_over_plain_http() -> None:
    rig = await rig_with_ada(ConsoleRules())

    answer = await sign_in(rig, base="http://127.0.0.1:8000", origin="http://127.0.0.1:8000")

    assert answer.status_code == 303
    cookies = [each for each in answer.headers.get_list("set-cookie") if each.startswith("smsgw=")]
    assert cookies
    assert "secure" not in cookies[0].lower()
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("rules", "base", "headers"),
    [
        (ConsoleRules(), "https://console.example", {}),
        (BEHIND, "http://console.example", {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}),
        (ConsoleRules(url="https://console.example"), "http://console.example", {}),
    ],
    ids=["our own TLS", "a trusted proxy's", "as configured"],
)
async def test_over_tls_cookies_are_for_tls_alone(rules: ConsoleRules, base: str, headers: dict[str, str]) -> None:
    rig = await rig_with_ada(rules)

    answer = await sign_in(rig, base=base, origin="https://console.example", **headers)

    assert answer.status_code == 303
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-smsgw="))
    assert "secure" in cookie.lower()
    assert "domain" not in cookie.lower()
    assert answer.headers["strict-transport-security"]


async def test_a_stranger_cannot_say_that_he_comes_over_tls_or_from_elsewhere() -> None:
    rig = await rig_with_ada(BEHIND)
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}

    answer = await sign_in(
        rig, base="http://console.example", origin="http://console.example", client="198.51.100.3", **forged
    )

    assert answer.status_code == 303
    assert not [each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-")]
    assert rig.books.audit_log.written[-1].peer == "198.51.100.3"


async def test_behind_a_trusted_proxy_the_callers_address_is_the_one_it_tells() -> None:
    rig = await rig_with_ada(BEHIND)
    told = {"X-Forwarded-For": "192.0.2.9, 203.0.113.7"}

    await sign_in(rig, base="http://console.example", origin="http://console.example", **told)

    assert rig.books.audit_log.written[-1].peer == "203.0.113.7"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://console.example:81", "ftp://console.example"]
)
async def test_without_a_configured_address_the_host_that_was_asked_counts(origin: str) -> None:
    rig = await rig_with_ada(ConsoleRules())

    answer = await sign_in(rig, base="http://console.example", origin=origin)

    assert answer.status_code == 403


async def test_an_invented_session_id_is_never_taken_over() -> None:
    rig = await rig_with_ada(ConsoleRules())
    invented = "x" * 43
    transport = httpx.ASGITransport(rig.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://console.example") as caller:
        caller.cookies.update({"smsgw": invented, "smsgw-visitor": invented})
        page = await caller.get("/console/sign-in")
        token = page.text.partition('name="csrf" value="')[2][:64]
        fields = {"csrf": token, "name": "ada", "password": PASSWORD}

        answer = await caller.post("/console/sign-in", data=fields, headers={"Origin": "http://console.example"})

    assert answer.status_code == 303
    assert invented not in "".join(each for each in answer.headers.get_list("set-cookie") if "Max-Age=0" not in each)


async def test_an_api_key_opens_no_page() -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)

    with_key = await (await rig.browser()).get("/console/users", **{"API-Key": "key-ops"})

    assert with_key.status_code == 303
    assert with_key.headers["location"].startswith("/console/sign-in")
    assert (await browser.get("/console/nothing")).status_code == 404
