"""One request to the console, read: who asks, from where, with which form."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from smsgw.core.audit_log import AuditEntry
from smsgw.core.people import Role, User
from smsgw.worker.console.forms import Form


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler of a page or action gets. `user` is None only on routes without a role."""

    user: User | None
    path: Mapping[str, str]
    """The parameters of the route."""
    query: Form
    form: Form
    """Of a POST; empty for a GET."""
    now: datetime
    peer: str
    csrf: str
    """What every form of the page sends back as `csrf`."""
    token: str
    """Of the session, or of the visitor who is not signed in yet."""
    address: str
    """Path and query of the request, as a link within the console."""
    is_secure: bool = False

    @property
    def somebody(self) -> User:
        """The user; for routes with a role."""
        if self.user is None:
            raise RuntimeError("a route without a role has no user")
        return self.user

    @property
    def is_masked(self) -> bool:
        """Whether personal data must not be shown: to a viewer, and to nobody."""
        return self.user is None or not self.user.role.may(Role.OPERATOR)

    def may(self, role: str) -> bool:
        """Whether the user has at least this role; for templates."""
        return self.user is not None and self.user.role.may(Role(role))

    def entry(
        self, action: str, subject: str, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
    ) -> AuditEntry:
        """Return the audit log's entry of what the user does now."""
        return AuditEntry(
            at=self.now,
            who=self.user.name if self.user else "",
            action=action,
            subject=subject,
            before=before or {},
            after=after or {},
            peer=self.peer,
        )
