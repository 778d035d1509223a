"""The page of the audit log: what was changed, told so that a person finds it again."""

import html
import re
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from smsgw.core.audit_log import AuditEntry
from smsgw.core.people import Role
from tests.unit.console.rig import Rig

_ADDRESS = "/console/audit-log"


async def test_a_change_is_told_with_what_was_before_and_after() -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)
    await _note(rig, before={"weight": 1, "gone": "<b>"}, after={"weight": 2.5, "new": ["a", None]})

    answer = await browser.get(f"{_ADDRESS}?action=provider.change")

    assert answer.status_code == 200
    assert _cells(answer.text)[1:] == [
        "ada",
        "provider.change",
        "Local-SMS",
        'weight: 1 → 2.5 gone: <b> → nothing new: nothing → ["a",null]',
        "192.0.2.7",
    ]
    assert "<b>" not in answer.text


async def test_pages_go_from_the_newest_to_the_oldest_and_back() -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)
    for number in range(120):
        await _note(rig, subject=f"n{number}")

    first = await browser.get(f"{_ADDRESS}?who=ada")
    second = await browser.get(_next(first.text))
    third = await browser.get(_next(second.text))

    seen = [re.findall(r"class=\"mono\">(n\d+)<", page.text) for page in (first, second, third)]
    assert [len(each) for each in seen] == [50, 50, 20]
    assert [*chain(*seen)] == [f"n{number}" for number in reversed(range(120))]
    assert 'rel="next"' not in third.text
    assert f'href="{_ADDRESS}?who=ada">Newest' in third.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("who=ada", ["two", "one"]),
        ("who=bob", ["three"]),
        ("action=provider.", ["two", "one"]),
        ("action=client.change", ["three"]),
        ("subject=two", ["two"]),
        ("since=2026-01-01T12:00", ["two"]),
        ("until=2026-01-01T12:00&who=ada", ["one"]),
        ("since=2026-01-01T13:00&zone=Europe/Berlin&who=ada", ["two"]),
        ("since=2026-01-01T13:01&zone=Europe/Berlin&who=ada", []),
        ("subject=nobody", []),
    ],
)
async def test_a_search_finds_what_fits(query: str, expected: list[str]) -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)
    noon = rig.now.replace(year=2026, month=1, day=1, hour=12, minute=0, second=0, microsecond=0)
    await _note(rig, subject="one", at=noon - timedelta(hours=1))
    await _note(rig, subject="two", at=noon)
    await _note(rig, subject="three", at=noon - timedelta(days=1), who="bob", action="client.change")
    rig.books.audit_log.written = [each for each in rig.books.audit_log.written if each.action != "session.begin"]

    answer = await browser.get(f"{_ADDRESS}?{query}")

    assert re.findall(r'class="mono">(\w+)<', answer.text) == expected
    assert ("Nothing fits." in answer.text) is not bool(expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00", "until"),
        ("since=0001-01-01T00:00&zone=Asia/Tokyo", "since"),
        ("since=2026-01-01T00:00&zone=Mars/Base", "since"),
        ("since=2026-01-01T00:00&zone=../../etc/passwd", "since"),
    ],
)
async def test_a_time_that_is_none_is_refused_with_what_was_typed(query: str, field: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"{_ADDRESS}?{query}")

    assert answer.status_code == 422
    assert re.search(rf'id="f-{field}"[^>]*value="[^"]+"[^>]*aria-invalid="true"', answer.text)


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 30])
async def test_a_page_that_cannot_be_is_refused(before: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)

    assert (await browser.get(f"{_ADDRESS}?before={before}")).status_code == 422


async def _note(rig: Rig, **fields: Any) -> None:
    plain: dict[str, Any] = {
        "at": rig.now,
        "who": "ada",
        "action": "provider.change",
        "subject": "Local-SMS",
        "peer": "192.0.2.7",
    }
    await rig.books.audit_log.note(AuditEntry(**{**plain, **fields}))


def _cells(page: str) -> list[str]:
    """Return the words of the first row's cells."""
    row = page.split("<tbody>")[1].split("</tr>")[0]
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", "", each)).split()) for each in cells]


def _next(page: str) -> str:
    (found,) = re.findall(r'href="([^"]+)" rel="next"', page)
    return html.unescape(str(found))
