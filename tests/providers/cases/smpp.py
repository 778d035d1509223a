"""smpp: what a table can say of it; the rest is in tests/providers/smpp."""

from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import ReportCase, Table

OPTIONS = {"host": "smsc.example.com", "system_id": "carrier-account"[:15], "password": "hunter2"}
TABLE = Table(
    options=OPTIONS,
    secrets=("hunter2",),
    bad_options=(
        {},
        {"host": "smsc.example.com", "system_id": "someone"},
        {**OPTIONS, "host": "two words"},
        {**OPTIONS, "port": 0},
        {**OPTIONS, "system_id": "longer-than-sixteen"},
        {**OPTIONS, "password": "hunter2-hunter2-hunter2"},
        {**OPTIONS, "bind": "receiver"},
        {**OPTIONS, "binds": 0},
        {**OPTIONS, "binds": 17},
        {**OPTIONS, "window": 0},
        {**OPTIONS, "long": "split"},
        {**OPTIONS, "languages": [14]},
        {**OPTIONS, "languages": [1], "long": "sar"},
        {**OPTIONS, "languages": [1], "alphabet": "latin1"},
        {**OPTIONS, "alphanumeric": {"ton": 7, "npi": 0}},
        {**OPTIONS, "statuses": {"0x4A1": "accepted"}},
        {**OPTIONS, "statuses": {"0x4A1": "unknown"}},
        {**OPTIONS, "statuses": {"two words": "rejected"}},
        {**OPTIONS, "statuses": {"0": "rejected"}},
        {**OPTIONS, "receipt_zone": "Mars/Olympus"},
        {**OPTIONS, "receipt_zone": "../hunter2"},
        {**OPTIONS, "tls_ca": "/nowhere/hunter2.pem"},
        {**OPTIONS, "tls": True, "tls_ca": "/nowhere/hunter2.pem"},
        {**OPTIONS, "tls": True, "tls_certificate": "/nowhere/hunter2.pem"},
        {**OPTIONS, "tls": True, "tls_key": "/nowhere/hunter2.pem"},
        {**OPTIONS, "url": "http://smsc.example.com"},
    ),
    is_http=False,
    reports=(
        ReportCase(
            name="nobody may tell a report over HTTP",
            request=ReportRequest(received_at=NOW, headers=(), body=b'{"status": "delivered"}'),
            refused="forged",
        ),
    ),
)
