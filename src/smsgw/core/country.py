"""The country of a number: what health is kept by, what senders are chosen by, what is counted and logged."""

from smsgw.core.numbering import UNKNOWN, plan_of

__all__ = ["UNKNOWN", "country_of"]


def country_of(to: str) -> str:
    """Return the ISO 3166 region of a number in E.164, exact also where countries share a calling code (+1, +7, +44);
    the main one of them for a number that none of them has given out, UNKNOWN for one of no country."""
    plan = plan_of(to)
    return plan.region_of(to) if plan else UNKNOWN
