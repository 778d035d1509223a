"""The pages of the clients: keys shown once, changes that lie over the configuration, nobody overtaken unseen."""

import hashlib
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from smsgw.core.admission import Ask
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.keys import Clients
from smsgw.core.merging import merged_clients
from smsgw.core.people import Role
from smsgw.core.ports import GatewayBeat
from tests.unit.console.rig import Browser, Rig

ALL, SHOP = "/console/clients", "/console/clients/shop"
FIELDS = {"name": "Lab", "state": "active", "daily_quota": "5", "scopes": "send", "senders": "Lab, *"}
SHOP_KEY = hashlib.sha256(b"key-shop").hexdigest()


class Page:
    """A browser on the pages of the clients; each form is sent as it was given, with the version in it."""

    def __init__(self, rig: Rig, browser: Browser) -> None:
        self.rig = rig
        self.browser = browser

    async def send(self, path: str, page: str = SHOP, **fields: Any) -> httpx.Response:
        shown = await self.browser.get(page)
        version = re.search(r'name="version" value="(\d+)"', shown.text)
        return await self.browser.post(path, {"version": version[1] if version else "", **fields}, page=page)

    async def clients(self) -> Clients:
        """Return what every process makes of the overlay by now."""
        return merged_clients(self.rig.config.clients_baseline.raw, await self.rig.books.overlays.overlay())[0]

    @property
    def audit(self) -> list[tuple[str, str, str]]:
        written = self.rig.books.audit_log.written
        return [(each.who, each.action, each.subject) for each in written if not each.action.startswith("session.")]


@pytest.fixture
async def admin() -> Page:
    rig = Rig()
    return Page(rig, await rig.browser(Role.ADMIN))


def shown_key(answer: httpx.Response) -> str:
    found = re.search(r'<code id="key">(smsgw_[A-Za-z0-9_-]{43})</code>', answer.text)
    assert found, answer.text
    return found[1]


async def test_a_new_client_gets_a_key_that_is_shown_once(admin: Page) -> None:
    answer = await admin.send(ALL, ALL, id="lab", **FIELDS)

    key = shown_key(answer)
    found = (await admin.clients()).authenticate(key, admin.rig.now)
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert found is not None
    assert ("lab", "Lab", 5) == (found.client_key, found.name, found.daily_quota)
    assert [("admin-0", "client.create", "lab")] == admin.audit
    told = repr((admin.rig.books.audit_log.written, await admin.rig.books.overlays.overlay()))
    for path in (ALL, f"{ALL}/lab"):
        told += (await admin.browser.get(path)).text
    assert key not in told


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"id": "a b"}, "id"),
        ({"id": "shop"}, "id"),
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"state": "perhaps"}, "state"),
        ({"daily_quota": "-1"}, "daily_quota"),
        ({"daily_quota": "1" + "0" * 13}, "daily_quota"),
        ({"scopes": "admin"}, "scopes"),
        ({"senders": "a-b"}, "senders"),
    ],
)
async def test_a_wrong_form_is_shown_again_with_the_field_and_what_was_typed(
    admin: Page, wrong: dict[str, str], field: str
) -> None:
    answer = await admin.send(ALL, ALL, **{"id": "lab", **FIELDS, "senders": "Lab", **wrong})

    assert 422 == answer.status_code
    assert f'id="h-{field}"' in answer.text
    assert 'value="Lab"' in answer.text
    assert 0 == await admin.rig.books.overlays.version()
    assert [] == admin.audit


async def test_changed_fields_count_and_only_what_differs_is_kept(admin: Page) -> None:
    answer = await admin.send(SHOP, name="Shop", state="inactive", daily_quota="7", scopes="send", senders="")

    (row,) = (await admin.rig.books.overlays.overlay()).rows
    assert (303, f"{SHOP}?notice=client-changed") == (answer.status_code, answer.headers["location"])
    assert {"is_active": False, "daily_quota": 7} == row.body
    (entry,) = [each for each in admin.rig.books.audit_log.written if each.action == "client.change"]
    assert ({"is_active": True, "daily_quota": None}, {"is_active": False, "daily_quota": 7}) == (
        entry.before,
        entry.after,
    )
    assert (await admin.clients()).authenticate("key-shop", admin.rig.now) is None


async def test_saving_what_is_there_writes_nothing(admin: Page) -> None:
    answer = await admin.send(SHOP, name="Shop", state="active", daily_quota="", scopes="send", senders="")

    assert 303 == answer.status_code
    assert 0 == await admin.rig.books.overlays.version()


async def test_back_to_the_configuration_takes_the_changed_fields_away(admin: Page) -> None:
    await admin.send(SHOP, name="Other", state="active", daily_quota="7", scopes="send", senders="")

    answer = await admin.send(f"{SHOP}/restore")

    overlay = await admin.rig.books.overlays.overlay()
    assert (303, 2, ()) == (answer.status_code, overlay.version, overlay.rows)
    assert "client.restore" == admin.audit[-1][1]


async def test_a_rotation_ends_the_old_key_after_the_overlap(admin: Page) -> None:
    answer = await admin.send(f"{SHOP}/keys", others="end", overlap="2")

    clients, now = await admin.clients(), admin.rig.now
    assert clients.authenticate(shown_key(answer), now + timedelta(days=99)) is not None
    assert clients.authenticate("key-shop", now + timedelta(hours=1, minutes=59)) is not None
    assert clients.authenticate("key-shop", now + timedelta(hours=2)) is None
    assert "ending" in (await admin.browser.get(SHOP)).text


async def test_one_key_more_leaves_the_others_as_they_are(admin: Page) -> None:
    answer = await admin.send(f"{SHOP}/keys", others="keep", overlap="")

    clients = await admin.clients()
    later = admin.rig.now + timedelta(days=99)
    assert clients.authenticate(shown_key(answer), later) == clients.authenticate("key-shop", later) is not None


@pytest.mark.parametrize("overlap", ["", "-1", "many", "999999"])
async def test_a_wrong_overlap_makes_no_key(admin: Page, overlap: str) -> None:
    answer = await admin.send(f"{SHOP}/keys", others="end", overlap=overlap)

    assert 422 == answer.status_code
    assert 'id="h-overlap"' in answer.text
    assert 0 == await admin.rig.books.overlays.version()


async def test_a_revoked_key_of_the_configuration_can_be_given_back(admin: Page) -> None:
    revoked = await admin.send(f"{SHOP}/keys/{SHOP_KEY}/revoke")
    without = (await admin.clients()).authenticate("key-shop", admin.rig.now)

    restored = await admin.send(f"{SHOP}/keys/{SHOP_KEY}/restore")

    assert [303, 303] == [revoked.status_code, restored.status_code]
    assert without is None
    assert (await admin.clients()).authenticate("key-shop", admin.rig.now) is not None
    assert ["key.revoke", "key.restore"] == [action for _, action, _ in admin.audit]


async def test_a_key_made_here_stays_revoked(admin: Page) -> None:
    made = shown_key(await admin.send(f"{SHOP}/keys", others="keep"))
    path = f"{SHOP}/keys/{hashlib.sha256(made.encode()).hexdigest()}"
    await admin.send(f"{path}/revoke")

    again, restored = await admin.send(f"{path}/revoke"), await admin.send(f"{path}/restore")

    assert [422, 422] == [again.status_code, restored.status_code]
    assert (await admin.clients()).authenticate(made, admin.rig.now) is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (SHOP, {"name": "Mine", "state": "active", "daily_quota": "", "scopes": "send", "senders": ""}),
        (f"{SHOP}/keys", {"others": "keep"}),
        (f"{SHOP}/keys/{SHOP_KEY}/revoke", {}),
        (ALL, {"id": "lab", **FIELDS}),
    ],
)
async def test_who_was_overtaken_is_told_so_and_changes_nothing(admin: Page, path: str, fields: dict[str, str]) -> None:
    await admin.send(SHOP, name="Faster", state="active", daily_quota="", scopes="send", senders="")
    before = await admin.rig.books.overlays.overlay()

    answer = await admin.send(path, **{**fields, "version": "0"})

    assert 409 == answer.status_code
    assert "somebody else has changed" in answer.text
    assert before == await admin.rig.books.overlays.overlay()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_others_than_admins_look_and_change_nothing(role: Role) -> None:
    rig = Rig()
    page = Page(rig, await rig.browser(role))

    answers = [
        await page.browser.post(path, {"version": "0"})
        for path in (ALL, SHOP, f"{SHOP}/restore", f"{SHOP}/keys", f"{SHOP}/keys/{SHOP_KEY}/revoke")
    ]

    assert {403} == {each.status_code for each in answers}
    for path in (ALL, SHOP):
        shown = await page.browser.get(path)
        assert (200, 1) == (shown.status_code, shown.text.count("<form"))


async def test_todays_use_is_shown_and_a_dash_while_nobody_can_say(admin: Page) -> None:
    await admin.send(SHOP, name="Shop", state="active", daily_quota="1234", scopes="send", senders="")
    for _ in range(3):
        await admin.rig.limits.admit(Ask(tracking_id=uuid4(), client_key="shop", daily_quota=1234))
    with_use = await admin.browser.get(ALL)

    admin.rig.limits.fail = True
    without = await admin.browser.get(ALL)

    assert '<td data-label="Used today" class="n">3</td>' in with_use.text
    assert 200 == without.status_code
    assert '<td data-label="Used today" class="n">3</td>' not in without.text


async def test_it_says_which_gateway_still_runs_with_another_configuration(admin: Page) -> None:
    rig = admin.rig
    baseline = rig.config.baseline()
    await admin.send(SHOP, name="Shop", state="active", daily_quota="5", scopes="send", senders="")
    merge = config_fingerprint(
        merged_clients(rig.config.clients_baseline.raw, await rig.books.overlays.overlay())[1].raw
    )
    for instance, clients in (("isolated", baseline["clients"]), ("connected", merge)):
        await rig.store.store_beat(
            GatewayBeat(
                service="server-a",
                instance=instance,
                interval_seconds=60,
                ts=rig.now,
                clients_fingerprint=clients,
                providers_fingerprint=baseline["providers"],
            )
        )

    text = (await admin.browser.get(ALL)).text

    assert 1 == text.count("still another one")
    assert 3 == text.count("up to date")
    assert text.index("connected") < text.index("isolated") < text.index("still another one")
    assert "smsgw config export" in text


@pytest.mark.parametrize("path", [f"{ALL}/nobody", f"{ALL}/%00", f"{ALL}/shop/keys"])
async def test_there_is_no_page_of_what_there_is_not(admin: Page, path: str) -> None:
    answer = await admin.browser.get(path)

    assert answer.status_code in (404, 405)
