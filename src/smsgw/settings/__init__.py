"""Settings: read once from the environment and `.env`, checked whole, handed over as frozen structs."""

from smsgw.settings.configs import Document, documents, parse_clients, parse_providers, read_document
from smsgw.settings.dotenv_file import environment
from smsgw.settings.loading import console_address, database_url, load_gateway, load_operator, load_worker
from smsgw.settings.reading import SettingsError, one_line
from smsgw.settings.rereading import reread
from smsgw.settings.roles import (
    ConsoleSettings,
    GatewaySettings,
    HttpSettings,
    OperatorSettings,
    QueueSettings,
    TraceSettings,
    WorkerSettings,
)

__all__ = [
    "ConsoleSettings",
    "Document",
    "GatewaySettings",
    "HttpSettings",
    "OperatorSettings",
    "QueueSettings",
    "SettingsError",
    "TraceSettings",
    "WorkerSettings",
    "console_address",
    "database_url",
    "documents",
    "environment",
    "load_gateway",
    "load_operator",
    "load_worker",
    "one_line",
    "parse_clients",
    "parse_providers",
    "read_document",
    "reread",
]
