"""The model test: whatever happens, in whatever order, to messages, workers, vendors and the clock, promises hold.

Operators cancel, resolve and resend by what they saw a while ago. HYPOTHESIS_PROFILE=long looks much longer.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import islice, permutations
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import DeliveryReport, Message, Part, ReceivedReport, ReportStatus, Status, Told
from smsgw.core.operator_actions import Resend, Verdict, cancel, resend, resolve
from smsgw.core.parts import joined
from smsgw.core.ports import Arrival
from tests.model.profiles import SETTINGS
from tests.model.world import Call, World
from tests.unit.core.test_confluence import end_of

SECONDS = st.sampled_from([0, 0.4, 1, 2, 5, 19, 26, 45, 61, 300, 601])
REFUSALS = [each for each in Outcome if each not in (Outcome.ABSENT, Outcome.ACCEPTED, Outcome.UNKNOWN)]
LONG = "Your code is 1234. " * 10
PARTS = (1, 2)
MAX_MESSAGES = 3
ORDERS = 24
PATIENCE = 60
"""Steps of the clock within which a message has to end when nothing but time passes."""


class Lifecycle(RuleBasedStateMachine):
    """Up to three messages, two vendors, two workers."""

    world: World

    @initialize(
        resends=st.booleans(),
        attempts=st.integers(1, 4),
        look_ups=st.lists(st.booleans(), min_size=2, max_size=2),
        text=st.sampled_from(["1234", LONG]),
    )
    def begin(self, resends: bool, attempts: int, look_ups: list[bool], text: str) -> None:
        timers = Timers(
            max_attempts=attempts,
            resend_unknown=resends,
            retry_max=timedelta(seconds=30),
            report_deadline=timedelta(hours=1),
        )
        self.world = World(timers, look_ups, workers=2)
        self.told = 0
        self.decided: list[Change] = []
        self.submit([], 600, text)

    @precondition(lambda self: len(self.world.store.messages) < MAX_MESSAGES)
    @rule(
        wanted=st.lists(st.sampled_from("AB"), unique=True),
        ttl=st.sampled_from([600, 600, 100, 10, 1]),
        text=st.sampled_from(["1234", LONG]),
    )
    def submit(self, wanted: list[str], ttl: int, text: str) -> None:
        message = Message(
            tracking_id=UUID(int=len(self.world.store.messages) + 1),
            client_key="shop",
            to="+989121234567",
            text=text,
            ttl_seconds=ttl,
            providers=tuple(wanted),
            created_at=self.world.now,
            expires_at=self.world.now + timedelta(seconds=ttl),
            updated_at=self.world.now,
            status=Status.QUEUED,
            fence=0,
        )
        self.world.do(self.world.submit(self.world.workers[0], message))

    @rule(worker=st.integers(0, 1), seconds=SECONDS)
    def look_after_a_while(self, worker: int, seconds: float) -> None:
        self.world.now += timedelta(seconds=seconds)
        self._sweep(worker)

    @precondition(lambda self: self.world.due())
    @rule(worker=st.integers(0, 1))
    def next_timer(self, worker: int) -> None:
        self.world.now = max(self.world.now, self.world.due()[0])
        self._sweep(worker)

    @precondition(lambda self: self.world.open_calls() or self.world.open_questions())
    @rule(worker=st.integers(0, 1))
    def crash(self, worker: int) -> None:
        self.world.do(self.world.workers[worker].crash())

    @precondition(lambda self: not self.world.store.slowness)
    @rule(seconds=SECONDS)
    def next_commit_is_slow(self, seconds: float) -> None:
        self.world.store.slowness = timedelta(seconds=seconds)

    @rule(name=st.sampled_from("AB"))
    def toggle(self, name: str) -> None:
        self.world.toggle(name)

    @precondition(lambda self: self.world.open_calls())
    @rule(which=st.integers(0, 9), message_id=st.booleans())
    def accept(self, which: int, message_id: bool) -> None:
        call = self._open_call(which)
        if call.is_accepted is False:
            self.lose_answer(which, False)
            return
        call.is_accepted = True
        answer = SendResult(outcome=Outcome.ACCEPTED, provider_message_id=call.message_id if message_id else None)
        self._answer(call, answer)

    @precondition(lambda self: self.world.timely_calls(LONG))
    @rule(which=st.integers(0, 9))
    def accept_in_parts(self, which: int) -> None:
        """A vendor with an id for each part. In time: once the lease is over, reports count without the answer."""
        calls = self.world.timely_calls(LONG)
        call = calls[which % len(calls)]
        if call.is_accepted is False:
            return
        call.is_accepted = True
        ids = tuple(f"{call.message_id}/{part}" for part in PARTS)
        self._answer(call, SendResult(outcome=Outcome.ACCEPTED, provider_message_id=ids[0], part_ids=ids))

    @precondition(lambda self: self.world.open_calls())
    @rule(which=st.integers(0, 9), accepted=st.booleans())
    def lose_answer(self, which: int, accepted: bool) -> None:
        call = self._open_call(which)
        call.is_accepted = accepted if call.is_accepted is None else call.is_accepted
        self._answer(call, SendResult(outcome=Outcome.UNKNOWN))

    @precondition(lambda self: self.world.open_calls())
    @rule(which=st.integers(0, 9), outcome=st.sampled_from(REFUSALS))
    def refuse(self, which: int, outcome: Outcome) -> None:
        call = self._open_call(which)
        if call.is_accepted:
            self.accept(which, True)
            return
        call.is_accepted = False
        self._answer(call, SendResult(outcome=outcome))

    @precondition(lambda self: self.world.open_questions())
    @rule(says=st.sampled_from([True, True, False]), accepts=st.booleans())
    def answer_look_up(self, says: bool, accepts: bool) -> None:
        """An honest vendor: what he denies he will not send any more."""
        self._look_up_ends(says, accepts)

    @precondition(lambda self: self.world.due())
    @rule()
    def ask_until_it_is_known(self) -> None:
        """What takes many steps to come about by chance: asked twice, denied twice, due again."""
        for _ in range(3):
            if self.world.due():
                self.next_timer(0)
            while self.world.open_questions():
                self._look_up_ends(True, False)

    def _look_up_ends(self, says: bool, accepts: bool) -> None:
        question = self.world.open_questions()[0]
        calls = [each for each in self.world.calls_of(question.reference) if each.vendor is question.vendor]
        if says:
            for call in calls:
                call.is_accepted = accepts if call.is_accepted is None else call.is_accepted
        said = _known(calls) if says else LookUpResult(answer=LookUp.CANNOT_SAY)
        if said.answer is LookUp.ABSENT:
            self.world.denials.setdefault((question.reference, question.vendor.name), []).append(self.world.now)
        question.answer.set_result(said)
        self.world.do(_nothing())

    @rule(
        which=st.integers(0, 2),
        vendor=st.sampled_from("AB"),
        status=st.sampled_from(ReportStatus),
        message_id=st.sampled_from([None, "h", "t", "A-1", "A-2", "B-1", "B-2", "A-1/1", "A-1/2", "B-1/1"]),
        has_reference=st.sampled_from([True, True, False]),
        part=st.sampled_from([None, None, Part(1, 2), Part(2, 2)]),
    )
    def report(
        self,
        which: int,
        vendor: str,
        status: ReportStatus,
        message_id: str | None,
        has_reference: bool,
        part: Part | None,
    ) -> None:
        """Any report of any vendor, honest or not."""
        references = list(self.world.store.messages)
        reference = references[which % len(references)]
        self.told += 1
        told = DeliveryReport(
            status=status,
            provider_message_id=message_id,
            reference=str(reference) if has_reference or not message_id else None,
            dedupe_key=str(self.told),
            part=part,
        )
        received = ReceivedReport(provider=vendor, report=told, received_at=self.world.now)
        self.world.do(self.world.store.store_reports([received]))

    @precondition(lambda self: self.world.parted())
    @rule(which=st.integers(0, 9), statuses=st.lists(st.sampled_from(ReportStatus), min_size=2, max_size=2))
    def report_every_part(self, which: int, statuses: list[ReportStatus]) -> None:
        """What takes many steps to come about by chance: all parts of a message are reported."""
        parted = self.world.parted()
        vendor, ids = parted[which % len(parted)]
        for message_id, status in zip(ids, statuses, strict=True):
            self.told += 1
            told = DeliveryReport(status=status, provider_message_id=message_id, dedupe_key=str(self.told))
            received = ReceivedReport(provider=vendor, report=told, received_at=self.world.now)
            self.world.do(self.world.store.store_reports([received]))
        self.apply_reports(0)

    @rule(which=st.integers(0, 2))
    def operator_wants_to_cancel(self, which: int) -> None:
        """He has read the message; his commit comes later, whatever happens to it meanwhile."""
        change = cancel(self._message(which), self.world.now)
        if isinstance(change, Change):
            self.decided.append(change)

    @precondition(lambda self: self._unknown())
    @rule(which=st.integers(0, 2), gives_up=st.booleans())
    def operator_resolves(self, which: int, gives_up: bool) -> None:
        """An honest one: what he says was not sent will not be sent any more."""
        world, found = self.world, self._unknown()
        message = found[which % len(found)]
        attempt = world.store.attempts[message.tracking_id][message.attempts_made]
        calls = [each for each in world.calls_of(message.tracking_id) if each.number == attempt.number]
        verdict = Verdict.SENT if any(call.is_accepted for call in calls) else Verdict.NOT_SENT
        change = resolve(message, attempt, Verdict.GIVE_UP if gives_up else verdict, world.now, timers=world.timers)
        if not isinstance(change, Change):
            return
        if verdict is Verdict.NOT_SENT and not gives_up:
            for call in calls:
                call.is_accepted = False
            said = world.denials.setdefault((message.tracking_id, attempt.provider), [])
            said += [world.now - world.timers.unknown_settle, world.now]
        self.decided.append(change)
        self.operator_commits()

    @precondition(lambda self: self.decided)
    @rule()
    def operator_commits(self) -> None:
        change = self.decided.pop()
        self.world.do(self.world.store.apply(change))

    @precondition(lambda self: len(self.world.store.messages) < MAX_MESSAGES)
    @rule(which=st.integers(0, 2))
    def operator_resends(self, which: int) -> None:
        store = self.world.store
        made = resend(self._message(which), UUID(int=len(store.messages) + 1), self.world.now)
        if isinstance(made, Resend) and self.world.do(store.apply(made.mark)):
            self.world.do(store.take_in([Arrival(change=made.copy)]))

    def _message(self, which: int) -> Message:
        messages = list(self.world.store.messages.values())
        return messages[which % len(messages)]

    def _unknown(self) -> list[Message]:
        return [each for each in self.world.store.messages.values() if each.status is Status.UNKNOWN]

    @rule(worker=st.integers(0, 1))
    def apply_reports(self, worker: int) -> None:
        world = self.world
        decide = world.workers[worker].reports.decide
        world.do(world.store.apply_reports(now=world.now, limit=100, decide=decide))

    @invariant()
    def every_promise_holds(self) -> None:
        assert self.world.broken == [], self.world.broken

    @invariant()
    def what_is_final_rests_and_what_is_not_has_a_timer(self) -> None:
        for message in self.world.store.messages.values():
            is_final = message.status in (Status.FAILED, Status.DELIVERED)
            assert not (is_final and message.due_at is not None), message
            assert is_final or message.due_at is not None or message.reason == "no_report", message
            assert message.attempts_made == len(self.world.store.attempts[message.tracking_id])
            assert message.attempts_made <= self.world.timers.max_attempts

    def _sweep(self, worker: int) -> None:
        self.world.do(self.world.workers[worker].sweeper.run_once())
        self.world.do(self.world.workers[worker].rounds.run_once())

    def _open_call(self, which: int) -> Call:
        calls = self.world.open_calls()
        return calls[which % len(calls)]

    def _answer(self, call: Call, result: SendResult) -> None:
        call.answer.set_result(result)
        self.world.do(_nothing())

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._let_time_pass()
            self._look_back()
        finally:
            self.world.close()

    def _let_time_pass(self) -> None:
        """Liveness (I11): with ticks only, every message ends."""
        for worker in (0, 1):
            self.crash(worker)
        for number, vendor in enumerate(self.world.vendors.values()):
            choices = [Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.THROTTLED]
            vendor.autopilot = SendResult(outcome=choices[(self.told + number) % 3])
        for _ in range(PATIENCE):
            self.apply_reports(0)
            if not self.world.due():
                break
            self.next_timer(1)
        assert not self.world.due(), "a message never ends (I11)"
        self.world.now += timedelta(days=1)
        self.apply_reports(1)
        self.every_promise_holds()

    def _look_back(self) -> None:
        store = self.world.store
        for tracking_id, message in store.messages.items():
            told = [each.received for each in store.inbox.values() if each.applied_to == tracking_id]
            attempts = tuple(store.attempts[tracking_id].values())
            whole = joined(attempts, frozenset(map(Told.by, told)))
            is_delivered = any(each.status is ReportStatus.DELIVERED for each in whole)
            assert is_delivered is (message.status is Status.DELIVERED)
            ends = {end_of(attempts, order) for order in _orders(told)}
            assert len(ends) == 1, f"the order of reports matters (I8): {ends}"
            accepted = [call for call in self.world.calls_of(tracking_id) if call.is_accepted]
            assert len(accepted) <= 1 or self.world.timers.resend_unknown, "`hold` sent twice (I3)"


def _known(calls: Iterable[Call]) -> LookUpResult:
    taken = next((call for call in calls if call.is_accepted), None)
    if taken is None:
        return LookUpResult(answer=LookUp.ABSENT)
    return LookUpResult(answer=LookUp.FOUND, provider_message_id=taken.message_id)


def _orders(told: list[ReceivedReport]) -> Iterable[tuple[ReceivedReport, ...]]:
    """Return some orders: all of them for up to four reports."""
    yield tuple(reversed(told))
    yield from islice(permutations(told), ORDERS)


async def _nothing() -> None:
    """Only let the loop turn."""


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = SETTINGS
