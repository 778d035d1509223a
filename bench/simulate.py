"""How long `smsgw simulate` takes: 100,000 messages, every strategy alone and all of them side by side.

.venv/bin/python bench/simulate.py
"""

import time

import msgspec

from smsgw.strategies.cases import cases_of
from smsgw.strategies.compare import compare
from smsgw.strategies.profile import Profile
from smsgw.strategies.reading import read
from smsgw.wiring.strategies import example

MESSAGES = 100_000


def main() -> None:
    """Print the seconds, by the clock and of this process's CPU."""
    profile = _profile()
    cases = cases_of(profile, ["priority", "round_robin", "weighted"])
    print(f"{profile.messages:,} messages of `smsgw simulate --example`; under 20 s is wanted")
    for case in cases:
        began, cpu = time.perf_counter(), time.process_time()
        compare(profile, [case], seed=1, told=_nobody, processes=1)
        took, busy = time.perf_counter() - began, time.process_time() - cpu
        print(
            f"{case.name:12} {took:6.1f} s  ({busy:.1f} s of CPU, {1e6 * busy / profile.messages:.0f} us per message)"
        )
    began = time.perf_counter()
    compare(profile, cases, seed=1, told=_nobody)
    print(f"{'all three':12} {time.perf_counter() - began:6.1f} s")


def _profile() -> Profile:
    """Return the example with so many messages: its last phase goes on for longer."""
    profile = read(example().encode())
    *first, last = profile.phases
    more = MESSAGES - sum(phase.count for phase in first)
    longer = msgspec.structs.replace(last, seconds=more / (last.per_second or 1))
    return msgspec.structs.replace(profile, phases=(*first, longer))


def _nobody(_case: int, _done: int) -> None:
    """Nobody looks at the progress."""


if __name__ == "__main__":
    main()
