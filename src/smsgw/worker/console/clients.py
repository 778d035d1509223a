"""The pages of the clients: who may send, with which keys and quota. What is changed here lies over CLIENT_CONFIG."""

import secrets
from collections.abc import Sequence
from typing import Any

from smsgw.core.client_book import ClientRow
from smsgw.core.client_changes import (
    KEY_PREFIX,
    Hand,
    NewKey,
    Plan,
    add_key,
    change_client,
    create_client,
    restore_client,
    restore_key,
    revoke_key,
)
from smsgw.core.keys import SCOPES
from smsgw.core.merging import after
from smsgw.core.people import Role
from smsgw.worker.console.answers import Answer, Page, Redirect
from smsgw.worker.console.clients_form import read_fields, read_id, read_overlap
from smsgw.worker.console.clients_view import Seen, fingerprints, seen, used_today
from smsgw.worker.console.console import Console
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.visit import Visit

_ALL, _ONE = "/console/clients", "/console/clients/{client:str}"
_KEY = f"{_ONE}/keys/{{digest:str}}"
MEANWHILE = "Nothing was changed: somebody else has changed something meanwhile. Look at it again, then repeat."
_NOTHING = "There is nothing to change."


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of the clients. Everybody may look; what opens doors is an admin's."""
    pages = _Clients(console)
    return [
        page(_ALL, Role.VIEWER, pages.show_all),
        action(_ALL, Role.ADMIN, pages.create),
        page(_ONE, Role.VIEWER, pages.show),
        action(_ONE, Role.ADMIN, pages.change),
        action(f"{_ONE}/restore", Role.ADMIN, pages.restore),
        action(f"{_ONE}/keys", Role.ADMIN, pages.add_key),
        action(f"{_KEY}/revoke", Role.ADMIN, pages.revoke),
        action(f"{_KEY}/restore", Role.ADMIN, pages.restore_key),
    ]


class _Clients:
    """What the routes do."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show_all(self, visit: Visit) -> Answer:
        return await self._list(visit, await seen(self._console))

    async def create(self, visit: Visit) -> Answer:
        now, form = await seen(self._console), visit.form
        client, fields = read_id(form), read_fields(form)
        if client in now.book.clients:
            form.refuse("id", "is taken")
        if not form.problems:
            key = _new_key()
            plan = create_client(client, fields, key, by=_hand(visit))
            if await self._write(visit, now, plan):
                return _key_page(client, key)
        return await self._list(visit, now)

    async def show(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        return await self._one(visit, now, now.client(visit.path["client"]))

    async def change(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        client, fields = now.client(visit.path["client"]), read_fields(visit.form)
        if fields["senders"] is None and client.fields.get("senders") == []:
            # Both allow nothing; what stands in the configuration stays as it is written.
            fields["senders"] = []
        if not visit.form.problems:
            plan = change_client(client, fields, by=_hand(visit))
            if plan is None or await self._write(visit, now, plan):
                return Redirect(to=_address(client.id), notice="client-changed" if plan else "")
        return await self._one(visit, now, client)

    async def restore(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        client = now.client(visit.path["client"])
        return await self._done(visit, now, client, restore_client(client), "client-restored")

    async def add_key(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        client, overlap = now.client(visit.path["client"]), read_overlap(visit.form)
        if not visit.form.problems:
            key = _new_key()
            if await self._write(visit, now, add_key(client, key, overlap=overlap, by=_hand(visit))):
                return _key_page(client.id, key)
        return await self._one(visit, now, client)

    async def revoke(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        key = now.key(visit.path["client"], visit.path["digest"])
        plan = revoke_key(key, by=_hand(visit))
        return await self._done(visit, now, now.client(key.client), plan, "key-revoked")

    async def restore_key(self, visit: Visit) -> Answer:
        now = await seen(self._console)
        key = now.key(visit.path["client"], visit.path["digest"])
        return await self._done(visit, now, now.client(key.client), restore_key(key), "key-restored")

    async def _done(self, visit: Visit, now: Seen, client: ClientRow, plan: Plan | None, notice: str) -> Answer:
        if plan is None:
            visit.form.refuse("", _NOTHING)
        elif await self._write(visit, now, plan):
            return Redirect(to=_address(client.id), notice=notice)
        return await self._one(visit, now, client)

    async def _write(self, visit: Visit, now: Seen, plan: Plan) -> bool:
        """Write a plan if it can be taken and nobody was faster; else complain."""
        if problem := self._console.config.problem_of(after(now.overlay, plan.rows, plan.remove), plan.rows):
            visit.form.refuse("", f"Nothing was changed: {problem}")
            return False
        entry = visit.entry(plan.action, plan.subject, before=plan.before, after=plan.after)
        is_seen = visit.form.text("version") == str(now.overlay.version)
        if is_seen and await self._console.books.overlays.change(
            plan.rows, remove=plan.remove, expected=now.overlay.version, entry=entry
        ):
            return True
        visit.form.refuse("", MEANWHILE)
        return False

    async def _list(self, visit: Visit, now: Seen) -> Page:
        clients = list(now.book.clients.values())
        running, instances = await fingerprints(self._console, now.overlay)
        context = {
            "clients": clients,
            "used": await used_today(self._console, clients),
            "ignored": now.book.ignored,
            "running": running,
            "instances": instances,
            "has_baseline": self._console.config.clients_baseline.raw != "{}",
            **_shared(visit, now),
        }
        return Page(template="clients.html", context=context, status=_status(visit))

    async def _one(self, visit: Visit, now: Seen, client: ClientRow) -> Page:
        used = await used_today(self._console, [client])
        context = {"client": client, "used": used[client.id], "now": visit.now, **_shared(visit, now)}
        return Page(template="client.html", context=context, status=_status(visit))


def _shared(visit: Visit, now: Seen) -> dict[str, Any]:
    # A form that is shown again because somebody was faster carries the version that its reader has now seen.
    return {"form": visit.form, "version": now.overlay.version, "all_scopes": sorted(SCOPES, reverse=True)}


def _status(visit: Visit) -> int:
    if not visit.form.problems:
        return 200
    return 409 if visit.form.problems.get("") == MEANWHILE else 422


def _key_page(client: str, key: NewKey) -> Page:
    """Show a key, this once: only its digest is stored. Every page of the console is `no-store`."""
    return Page(template="client_key.html", context={"client": client, "key": key})


def _new_key() -> NewKey:
    return NewKey(KEY_PREFIX + secrets.token_urlsafe(32))


def _hand(visit: Visit) -> Hand:
    return Hand(visit.somebody.name, visit.now)


def _address(client: str) -> str:
    return f"/console/clients/{client}"
