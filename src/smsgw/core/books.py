"""What the console keeps in the database beside the messages: one port that holds four."""

from typing import Protocol

from smsgw.core.audit_log import AuditLog
from smsgw.core.overlay import Overlays
from smsgw.core.people import People
from smsgw.core.rollup import Rollups


class Books(Protocol):
    """Each of the four is a port with a double and a contract suite of its own."""

    @property
    def people(self) -> People: ...

    @property
    def audit_log(self) -> AuditLog: ...

    @property
    def overlays(self) -> Overlays: ...

    @property
    def rollups(self) -> Rollups: ...
