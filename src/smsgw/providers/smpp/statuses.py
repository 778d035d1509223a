"""What a command_status means for the message that it answers, and for the link (SMPP v3.4, 5.1.3)."""

from collections.abc import Mapping
from typing import NamedTuple

from smsgw.core.failure import Outcome

# The SMSC says that it has not taken the message, for a while: our table has no milder word that asks again.
TEMPORARY = Outcome.UNREACHABLE
_OURS = Outcome.CREDENTIALS
"""Not the message's fault: the account or the options of this connection are wrong, and every message would fail."""


class Meaning(NamedTuple):
    """A code's name in the standard, and what it means."""

    name: str
    outcome: Outcome


STATUSES: dict[int, Meaning] = {
    0x01: Meaning("RINVMSGLEN", Outcome.REJECTED),
    0x02: Meaning("RINVCMDLEN", _OURS),
    0x03: Meaning("RINVCMDID", _OURS),
    # The bind is not what it was, or there are two of it.
    0x04: Meaning("RINVBNDSTS", TEMPORARY),
    0x05: Meaning("RALYBND", TEMPORARY),
    0x06: Meaning("RINVPRTFLG", _OURS),
    0x07: Meaning("RINVREGDLVFLG", _OURS),
    0x08: Meaning("RSYSERR", TEMPORARY),
    # Not registered at this SMSC; another one may know it.
    0x0A: Meaning("RINVSRCADR", Outcome.REJECTED),
    0x0B: Meaning("RINVDSTADR", Outcome.INVALID_NUMBER),
    0x0C: Meaning("RINVMSGID", Outcome.REJECTED),
    # Also said in overload: the bind is tried again, slowly.
    0x0D: Meaning("RBINDFAIL", _OURS),
    0x0E: Meaning("RINVPASWD", _OURS),
    0x0F: Meaning("RINVSYSID", _OURS),
    0x11: Meaning("RCANCELFAIL", Outcome.REJECTED),
    0x13: Meaning("RREPLACEFAIL", Outcome.REJECTED),
    # The link's queue, or that of one recipient.
    0x14: Meaning("RMSGQFUL", Outcome.THROTTLED),
    0x15: Meaning("RINVSERTYP", _OURS),
    0x33: Meaning("RINVNUMDESTS", Outcome.REJECTED),
    0x34: Meaning("RINVDLNAME", Outcome.REJECTED),
    0x40: Meaning("RINVDESTFLAG", Outcome.REJECTED),
    0x42: Meaning("RINVSUBREP", Outcome.REJECTED),
    # No user data header here: `long` has to be sar or payload.
    0x43: Meaning("RINVESMCLASS", _OURS),
    0x44: Meaning("RCNTSUBDL", Outcome.REJECTED),
    # Some SMSCs use it for everything; the attempts of a message are few.
    0x45: Meaning("RSUBMITFAIL", TEMPORARY),
    0x48: Meaning("RINVSRCTON", _OURS),
    0x49: Meaning("RINVSRCNPI", _OURS),
    0x50: Meaning("RINVDSTTON", _OURS),
    0x51: Meaning("RINVDSTNPI", _OURS),
    0x53: Meaning("RINVSYSTYP", _OURS),
    0x54: Meaning("RINVREPFLAG", _OURS),
    0x55: Meaning("RINVNUMMSGS", _OURS),
    0x58: Meaning("RTHROTTLED", Outcome.THROTTLED),
    0x61: Meaning("RINVSCHED", _OURS),
    # Already over, or in a form that it does not know: `validity` has others.
    0x62: Meaning("RINVEXPIRY", Outcome.REJECTED),
    0x63: Meaning("RINVDFTMSGID", _OURS),
    0x64: Meaning("RX_T_APPN", TEMPORARY),
    0x65: Meaning("RX_P_APPN", Outcome.REJECTED),
    0x66: Meaning("RX_R_APPN", Outcome.REJECTED),
    0x67: Meaning("RQUERYFAIL", Outcome.UNKNOWN),
    0xC0: Meaning("RINVOPTPARSTREAM", _OURS),
    0xC1: Meaning("ROPTPARNOTALLWD", _OURS),
    0xC2: Meaning("RINVPARLEN", _OURS),
    0xC3: Meaning("RMISSINGOPTPARAM", _OURS),
    0xC4: Meaning("RINVOPTPARAMVAL", _OURS),
    0xFE: Meaning("RDELIVERYFAILURE", Outcome.REJECTED),
    0xFF: Meaning("RUNKNOWNERR", TEMPORARY),
}
"""By the standard's codes; what it does not name is temporary, for a message has only so many attempts."""

REFUSALS = frozenset(
    {
        Outcome.INVALID_NUMBER,
        Outcome.OPTED_OUT,
        Outcome.REJECTED,
        Outcome.CREDENTIALS,
        Outcome.THROTTLED,
        Outcome.UNREACHABLE,
    }
)
"""What an option may make of a code: a refusal, for none of them says that the message was taken."""

BIND_REFUSED = frozenset({0x0D, 0x0E, 0x0F, 0x53})
"""Answers to a bind that say that the account is wrong: tried again seldom, for accounts are locked for less."""


def read_statuses(told: Mapping[str, Outcome]) -> dict[int, Outcome]:
    """Return what the option `statuses` says by code; raises ValueError for what is no code."""
    try:
        codes = {int(code, 0): outcome for code, outcome in told.items()}
    except ValueError:
        raise ValueError("statuses: a code is written as 0x4A1 or 1185") from None
    if any(not 0 < code <= 0xFFFF_FFFF for code in codes):
        raise ValueError("statuses: a code is between 0x1 and 0xFFFFFFFF")
    return codes


def shown(status: int) -> str:
    """Return a code as people look it up."""
    known = STATUSES.get(status)
    return f"0x{status:02X} {known.name}" if known else f"0x{status:02X}"
