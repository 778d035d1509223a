"""All cases over one profile: side by side in processes where that pays, for each is busy with one core."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any

from smsgw.strategies.cases import Case
from smsgw.strategies.load import coming
from smsgw.strategies.profile import Profile
from smsgw.strategies.replay import Replay
from smsgw.strategies.tally import Summary

Told = Callable[[int, int], None]
"""Hears the number of a case, and how many of its messages have ended."""
TELL_EVERY = 2000
WORTH_A_PROCESS = 20_000
"""So many messages take longer than a process takes to start."""
LOOK_SECONDS = 0.1


def compare(
    profile: Profile, cases: Sequence[Case], *, seed: int, told: Told, processes: int | None = None
) -> list[Summary]:
    """Return what becomes of the profile's messages in every case. The same seed gives the same numbers."""
    most = processes or (os.cpu_count() or 1 if profile.messages >= WORTH_A_PROCESS else 1)
    if min(most, len(cases)) == 1:
        return [_replay(profile, case, seed, partial(told, number)) for number, case in enumerate(cases)]
    return _side_by_side(profile, cases, seed, told, min(most, len(cases)))


def _replay(profile: Profile, case: Case, seed: int, told: Callable[[int], None]) -> Summary:
    def tell(done: int) -> None:
        if done % TELL_EVERY == 0:
            told(done)

    tally = Replay(case, seed=seed, told=tell).run(coming(profile, seed))
    told(tally.ended)
    return tally.summary(case.name)


def _side_by_side(profile: Profile, cases: Sequence[Case], seed: int, told: Told, processes: int) -> list[Summary]:
    # Not forked: the caller may have threads.
    context = get_context("spawn")
    done = context.Array("q", len(cases))
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(done,)) as pool:
        running = [pool.submit(_in_process, profile, case, seed, number) for number, case in enumerate(cases)]
        try:
            _watch(running, done, told)
            return [each.result() for each in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watch(running: Sequence[Future[Summary]], done: Any, told: Told) -> None:
    is_over = False
    while not is_over:
        is_over = all(each.done() for each in running)
        for number, count in enumerate(done[:]):
            told(number, count)
        if not is_over:
            time.sleep(LOOK_SECONDS)


_done: list[Any] = []
"""In a process of the pool: where it tells how far it is."""


def _share(done: Any) -> None:
    # Whoever interrupts the comparison has interrupted this too, and wants no traceback of each process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _done.append(done)


def _leave_with_parent() -> None:
    # A pool's process waits for work for ever, also when nobody is left who could give it any.
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _in_process(profile: Profile, case: Case, seed: int, number: int) -> Summary:
    def tell(count: int) -> None:
        _done[-1][number] = count

    return _replay(profile, case, seed, tell)
