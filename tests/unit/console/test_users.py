"""The page of the users: what an admin may do to others, and what nobody may do to himself."""

import re

import httpx
import msgspec
import pytest

from smsgw.core.audit_log import AuditEntry
from smsgw.core.people import Role, User
from smsgw.transports.books.memory import MemoryPeople
from tests.unit.console.rig import ORIGIN, PASSWORD, Rig

NEW = "another sentence to keep"


async def test_the_list_says_of_each_user_what_matters() -> None:
    rig = Rig()
    admin = await rig.browser(Role.ADMIN)
    await rig.user("off", Role.OPERATOR, is_active=False)
    await rig.user("careful", Role.VIEWER, totp_secret="A" * 32)

    answer = await admin.get("/console/users")

    assert answer.status_code == 200
    words = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", answer.text, re.DOTALL)]
    assert words[1][:4] == ["admin-0", "admin", "active", "no"]
    assert words[2][:4] == ["careful", "viewer", "active", "yes"]
    assert words[3][:5] == ["off", "operator", "disabled", "no", "–"]


async def test_a_new_user_sets_the_password_by_a_link_that_is_shown_once() -> None:
    rig = Rig()
    admin, new = await rig.browser(Role.ADMIN), await rig.browser()

    made = await admin.post("/console/users", {"name": "ada", "role": "operator"})
    path = _link(made)
    taken = await new.post(path, {"password": NEW, "password_again": NEW}, page=path)
    shown = await admin.get("/console/users/ada")

    assert made.status_code == 200
    assert taken.status_code == 303
    assert (await new.get("/console/account")).status_code == 200
    assert path not in shown.text
    assert _written(rig) == ["user.create ada", "user.link ada", "user.password ada"]
    assert path.rpartition("/")[2] not in str(rig.books.audit_log.written)


async def test_a_link_is_good_for_a_day() -> None:
    rig = Rig()
    admin, new = await rig.browser(Role.ADMIN), await rig.browser()
    path = _link(await admin.post("/console/users", {"name": "ada", "role": "viewer"}))

    rig.pass_time(hours=23, minutes=59)
    in_time = await new.get(path)
    rig.pass_time(minutes=1)
    late = await new.get(path)

    assert (in_time.status_code, late.status_code) == (200, 404)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "", "role": "viewer"}, "name"),
        ({"name": "a/b", "role": "viewer"}, "name"),
        ({"name": "-x", "role": "viewer"}, "name"),
        ({"name": "x" * 65, "role": "viewer"}, "name"),
        ({"name": "é", "role": "viewer"}, "name"),
        ({"name": "admin-0", "role": "viewer"}, "name"),
        ({"name": "ada", "role": "root"}, "role"),
        ({"name": "ada"}, "role"),
    ],
)
async def test_a_user_that_cannot_be_is_refused_with_what_was_typed(fields: dict[str, str], field: str) -> None:
    rig = Rig()
    admin = await rig.browser(Role.ADMIN)

    answer = await admin.post("/console/users", fields)

    assert answer.status_code == 422
    assert f'aria-describedby="h-{field}"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{fields["name"]}"' in answer.text
    assert [each.name for each in await rig.books.people.users()] == ["admin-0"]
    assert _written(rig) == []


async def test_another_role_is_in_force_at_once_and_ends_the_sessions() -> None:
    rig = Rig()
    admin, other = await rig.browser(Role.ADMIN), await rig.browser(Role.VIEWER)

    answer = await admin.post("/console/users/viewer-1/role", {"role": "operator"})

    assert answer.headers["location"] == "/console/users/viewer-1?notice=user-changed"
    assert (await other.get("/console/account")).status_code == 303
    (entry,) = [each for each in rig.books.audit_log.written if each.action == "user.role"]
    assert (entry.before, entry.after, entry.who) == ({"role": "viewer"}, {"role": "operator"}, "admin-0")


async def test_the_same_role_changes_nothing() -> None:
    rig = Rig()
    admin, other = await rig.browser(Role.ADMIN), await rig.browser(Role.VIEWER)

    await admin.post("/console/users/viewer-1/role", {"role": "viewer"})

    assert (await other.get("/console/account")).status_code == 200
    assert _written(rig) == []


async def test_a_disabled_user_is_out_at_once_and_comes_back_enabled() -> None:
    rig = Rig()
    admin, other = await rig.browser(Role.ADMIN), await rig.browser(Role.OPERATOR)
    path = _link(await admin.post("/console/users/operator-1/link", {}))

    await admin.post("/console/users/operator-1/disable", {})
    out = await other.get("/console/account")
    by_link = await other.get(path)
    no_link = await admin.post("/console/users/operator-1/link", {})
    await admin.post("/console/users/operator-1/enable", {})
    back = await other.post("/console/sign-in", {"name": "operator-1", "password": PASSWORD})

    assert (out.status_code, by_link.status_code, no_link.status_code, back.status_code) == (303, 404, 422, 303)
    assert _written(rig) == ["user.link operator-1", "user.disable operator-1", "user.enable operator-1"]


async def test_a_lost_second_factor_is_removed_without_naming_the_secret() -> None:
    rig = Rig()
    admin = await rig.browser(Role.ADMIN)
    await rig.user("ada", Role.VIEWER, totp_secret="A" * 32)

    answer = await admin.post("/console/users/ada/second-factor/remove", {})

    user = await rig.books.people.user("ada")
    (entry,) = [each for each in rig.books.audit_log.written if each.subject == "ada"]
    assert answer.status_code == 303
    assert user is not None
    assert user.totp_secret is None
    assert (entry.before, entry.after) == ({"has_second_factor": True}, {"has_second_factor": False})


@pytest.mark.parametrize(
    ("what", "fields"), [("role", {"role": "viewer"}), ("disable", {}), ("second-factor/remove", {})]
)
async def test_nobody_does_it_to_himself(what: str, fields: dict[str, str]) -> None:
    rig = Rig()
    admin = await rig.browser(Role.ADMIN)
    await rig.user("other", Role.ADMIN)
    before = await rig.books.people.user("admin-0")

    answer = await admin.post(f"/console/users/admin-0/{what}", fields)

    assert answer.status_code == 422
    assert await rig.books.people.user("admin-0") == before
    assert _written(rig) == []


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten() -> None:
    rig = Rig()
    rig.books.people = _Meanwhile(rig.books)
    admin = await rig.browser(Role.ADMIN)
    await rig.user("ada", Role.VIEWER)

    answer = await admin.post("/console/users/ada/disable", {})

    user = await rig.books.people.user("ada")
    assert answer.status_code == 409
    assert "Nothing was changed" in answer.text
    assert user is not None
    assert (user.is_active, user.role, user.version) == (True, Role.OPERATOR, 2)


@pytest.mark.parametrize("path", ["/console/users/nobody", "/console/users/a%2Fb", "/console/users/%00"])
async def test_there_is_no_page_of_nobody(path: str) -> None:
    rig = Rig()
    admin = await rig.browser(Role.ADMIN)

    assert (await admin.get(path)).status_code == 404


class _Meanwhile(MemoryPeople):
    """Whoever changes a user finds that somebody else was quicker."""

    async def put_user(self, user: User, entry: AuditEntry | None) -> bool:
        known = await self.user(user.name)
        if known is not None:
            await super().put_user(msgspec.structs.replace(known, role=Role.OPERATOR, version=known.version + 1), None)
        return await super().put_user(user, entry)


def _link(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    found = re.search(rf'href="{re.escape(ORIGIN)}(/console/link/[\w-]{{43}})"', answer.text)
    assert found, answer.text
    return found[1]


def _written(rig: Rig) -> list[str]:
    """Return what the audit log says beside signing in."""
    told = [each for each in rig.books.audit_log.written if each.action != "session.begin"]
    return [f"{each.action} {each.subject}" for each in told]
