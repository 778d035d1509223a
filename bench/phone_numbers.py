"""What numbers and texts cost on the way of every message: CPU per message, beside libphonenumber's own parser.

    .venv/bin/python bench/phone_numbers.py [--save WORD]

Numbers: every example that libphonenumber has, of all countries and kinds, and the worst of a few countries. *Country*
is `core/country.py`, *possible* and *valid* what NUMBER_CHECK asks for, *parser* libphonenumber's parse and
is_valid_number of the same number. Texts: what the gateway asks of each (`cost`), smart encoding, and the plan of a
link of one's own. The least of the rounds, after a warm-up; *first* is what the first number of a calling code costs
once per process. Ends with 1 when a number costs 20 us or more.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import phonenumbers

from smsgw.core.coding import plan
from smsgw.core.country import country_of
from smsgw.core.numbering import known_regions
from smsgw.core.phone import NumberCheck, Numbers
from smsgw.core.text import cost
from smsgw.core.transliteration import smart

HERE = Path(__file__).parent
ALLOWED = 20.0
ROUNDS = 5
TIMES = 2_000
SOME = {
    "US": "+12025550123",
    "CA": "+14165550123",
    "JM": "+18765550123",
    "GB": "+447400123456",
    "GG": "+447781123456",
    "RU": "+79161234567",
    "KZ": "+77011234567",
    "IR": "+989121234567",
    "BR": "+5511961234567",
    "CN": "+8613123456789",
}
TEXTS = {
    "code, 24 letters": "Your code is 12345. Bye.",
    "plain, 160": "Your parcel has come. " * 7 + "Bye...",
    "with [ ] and €, 160": "Pay [12 €] until noon " * 7 + "Bye...",
    "typographic, 160": "It’s “here” – come by " * 7 + "Bye...",
    "Persian, 120": "کد شما ۱۲۳۴ است. " * 7 + "!",
    "plain, 1000": "x" * 1000,
}


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", metavar="WORD", help="keep the output as bench/results/<date>-WORD.txt")
    asked = parser.parse_args()
    first = _first("+14165550123"), _first("+447400123456"), _first("+989121234567")
    rows = {"all examples": _numbers(_examples()), **{name: _numbers([number]) for name, number in SOME.items()}}
    lines = [
        f"numbers and texts, us of CPU per message · Python {platform.python_version()}, {os.cpu_count()} cores",
        "first number of +1, +44, +98 in a process: " + ", ".join(f"{each / 1000:.1f} ms" for each in first),
        "",
        f"{'number of':<22}{'country':>10}{'possible':>10}{'valid':>10}{'parser':>10}",
        *(f"{name:<22}" + "".join(f"{each:>10.2f}" for each in row) for name, row in rows.items()),
        "",
        f"{'text':<22}{'cost':>10}{'smart':>10}{'plan':>10}",
        *(
            f"{name:<22}" + "".join(f"{_least(ask, [text]):>10.2f}" for ask in (cost, smart, plan))
            for name, text in TEXTS.items()
        ),
    ]
    text = "\n".join(lines)
    print(text)
    if asked.save:
        day = time.strftime("%Y-%m-%d")
        (HERE / "results" / f"{day}-{asked.save}.txt").write_text(text + "\n")
    sys.exit(any(each >= ALLOWED for row in rows.values() for each in row[:3]))


def _numbers(numbers: Sequence[str]) -> list[float]:
    checks = [Numbers(check=check).e164 for check in (NumberCheck.POSSIBLE, NumberCheck.VALID)]
    return [_least(ask, numbers) for ask in (country_of, *checks, _parser)]


def _parser(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def _first(number: str) -> float:
    began = time.process_time()
    country_of(number)
    Numbers(check=NumberCheck.VALID).e164(number)
    return (time.process_time() - began) * 1e6


def _least(ask: Callable[[str], object], each: Sequence[str]) -> float:
    """Return microseconds of CPU per question."""
    times = max(1, TIMES // len(each))
    spent = []
    for _ in range(1 + ROUNDS):
        began = time.process_time()
        for _ in range(times):
            for one in each:
                ask(one)
        spent.append(time.process_time() - began)
    return min(spent[1:]) / times / len(each) * 1e6


def _examples() -> list[str]:
    kinds = [value for value in vars(phonenumbers.PhoneNumberType).values() if isinstance(value, int)]
    found = (phonenumbers.example_number_for_type(region, kind) for region in known_regions() for kind in kinds)
    return sorted({phonenumbers.format_number(each, phonenumbers.PhoneNumberFormat.E164) for each in found if each})


if __name__ == "__main__":
    main()
