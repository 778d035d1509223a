"""Exit codes of commands, and where they read their settings from."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from smsgw.cli import app
from smsgw.cli.failing import starting
from smsgw.wiring import operate
from smsgw.worker.audit import Balance


@pytest.mark.parametrize(
    ("balance", "code"),
    [
        (Balance(), 0),
        (Balance(lost=(uuid4(),)), 1),
        (Balance(problem="cannot tell"), 2),
        (Balance(lost=(uuid4(),), problem="cannot tell"), 1),
    ],
)
def test_what_is_lost_outranks_what_could_not_be_looked_at(
    balance: Balance, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operate, "run_audit", lambda *_, **__: balance)

    assert CliRunner().invoke(app, ["audit"]).exit_code == code


@pytest.mark.parametrize(
    ("name", "arguments"), [("SMSGW_URL", ["send", "+989121234567", "x"]), ("SMSGW_WORKER_URL", ["status", "x"])]
)
def test_an_application_is_configured_by_dotenv_too(
    name: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SMSGW_API_KEY", name):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / ".env").write_text(f"SMSGW_API_KEY=key\n{name}=unheard-of://dotenv\n")
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 1
    assert "unheard-of://dotenv/" in result.output


def test_a_sighup_before_a_role_listens_to_it_does_not_end_it() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        with starting("server-b", reloads=True):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
