"""local_sms: nothing to ask, nothing to read."""

from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import ReportCase, Table

TABLE = Table(
    options={},
    secrets=(),
    bad_options=({"base_url": "http://127.0.0.1:1"},),
    is_offline=True,
    reports=(
        ReportCase(
            name="any report is forged",
            request=ReportRequest(received_at=NOW, headers=(), body=b"{}"),
            refused="forged",
        ),
    ),
)
