"""Carrying verified requests out, by the executor of the daily run: a batch of them in one run.

Plan, execute, look again: what was planned is asked for once more and must be gone (one by
one, ``attempting``). Then one search by value for all of them must find nothing that their
outcomes do not explain. Only then is a request answered. A failure stays visible in the
request until a person has it tried again, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date

from retention.errors import LeaseHeld, RetentionError, StoreError
from retention.execution.guards import check_day
from retention.execution.run import acquire_lease, new_run_id, unfit
from retention.execution.work import Stopped
from retention.installation import Installation
from retention.requests.book import casebook
from retention.requests.doing.about import aim_for, known_of
from retention.requests.doing.attempting import BY, COPIES, Batch, Clock, change, copy
from retention.requests.doing.planning import RequestPlan, plan_request
from retention.requests.model import Request, RequestError, RequestId, State
from retention.requests.proving import proof, returning
from retention.settings import Mode

__all__ = ["BY", "Clock", "Fate", "Watch", "carry_out", "carry_out_many", "foresee"]

STOPPED = "stopped by a person between two chunks; 'retention request retry' goes on with it"
INTERRUPTED = "interrupted by a person; 'retention request retry' repairs it and goes on"
_UNCHOSEN = (
    "records that may be the person's wait for a choice: 'retention request choose', then "
    "'retention request retry'"
)
_STOPPED_BEFORE = "a person stopped the run before it came to this request, which waits"

_NEXT = {
    State.received: ": 'retention request verify' says that the person is who they say they are",
    State.planned: ": 'retention request retry' takes up one whose run broke off",
    State.executing: ": 'retention request retry' takes up one whose run broke off",
}
"""What to do with a request that cannot be carried out as it is."""


@dataclass(frozen=True)
class Watch:
    """What whoever has requests carried out wants to hear, and how a stop is asked for.

    A stop is heard between two chunks and between two requests. The search by value, which
    changes nothing, goes to its end.
    """

    begins: Callable[[Request], None] = lambda _: None
    progress: Callable[[str, str, int], None] = lambda _stage, _table, _rows: None
    """Told the stage, the table and the rows of each chunk."""
    searches: Callable[[str], None] = lambda _: None
    """Told the name of each table before it is searched by value."""
    stop_asked: Callable[[], bool] = lambda: False


UNWATCHED = Watch()


@dataclass(frozen=True)
class Fate:
    """What came of one request of a batch."""

    request: Request
    """As it is afterwards."""
    error: Exception | None = None
    """Why it was not answered. The text of a ``RetentionError`` is safe to show."""

    @property
    def left(self) -> bool:
        """Whether it is as it was, and waits for another run."""
        return self.error is not None and _waits(self.request)

    @property
    def failed(self) -> bool:
        return self.error is not None and not self.left


def _waits(request: Request) -> bool:
    return request.state is State.verified and request.failure is None


def foresee(installation: Installation, request_id: str, as_of: date) -> RequestPlan | None:
    """What carrying a request out would do; ``None`` for one that only makes a copy.

    Reads sources and archive, touches nothing.

    Raises:
        RequestError: there is no such request. SourceError: a system is out of reach.
    """
    request = casebook.get(installation, request_id)
    if request.kind in COPIES:
        return None
    known = known_of(installation, request.request_id)
    aim = aim_for(installation, request, known, as_of)
    return plan_request(
        installation, request, known.persons, known.tokens, aim, unfit(installation)
    )


def carry_out(
    installation: Installation,
    request_id: str,
    *,
    as_of: date,
    today: date,
    clock: Clock,
    run_id: str | None = None,
) -> Request:
    """Carry a verified request out, to its answer: a batch of one.

    Raises:
        RequestError: it is not verified, or something of the person is left that the outcomes do
            not explain. LeaseHeld: another run is at work; the request is as it was.
            RetentionError: it failed; the reason is kept with the request, which stays open.
    """
    (fate,) = carry_out_many(
        installation, [request_id], as_of=as_of, today=today, clock=clock, run_id=run_id
    )
    if fate.error is not None:
        raise fate.error
    return fate.request


def carry_out_many(
    installation: Installation,
    request_ids: Sequence[str],
    *,
    as_of: date,
    today: date,
    clock: Clock,
    run_id: str | None = None,
    watch: Watch = UNWATCHED,
) -> list[Fate]:
    """Carry verified requests out one after the other, prove them together, answer them.

    What goes wrong with one is kept with it, and is in its ``Fate``. A lease that another run
    has or takes, a store that fails, and a person who stops the run leave those that were not
    begun as they were. ``run_id`` names the run: it holds the lease from first to last.

    Raises:
        RequestError: there is no such request, or 'mode: observe'. ConfigurationError: the day.
            StoreError: cases or control store cannot be used. Nothing has been touched then.
    """
    requests = [casebook.get(installation, number) for number in dict.fromkeys(request_ids)]
    begun = [request for request in requests if request.state is State.verified]
    if begun and installation.settings.mode is Mode.observe:
        raise RequestError("'mode: observe' touches nothing: no request can be carried out")
    if any(request.kind not in COPIES for request in begun):
        check_day(installation, as_of, today)
    casebook.reconcile(installation, clock())
    errors: dict[RequestId, Exception] = {}
    if begun:
        run = run_id or new_run_id()
        try:
            with acquire_lease(installation, run, clock) as lease:
                batch = Batch(
                    installation, as_of, today, clock, run, lease.shared(), watch.progress,
                    watch.stop_asked,
                )  # fmt: skip
                errors = _Run(batch, watch).all(requests)
        except LeaseHeld as held:
            errors = {request.request_id: held for request in begun}
    errors |= {
        request.request_id: _not_verified(request) for request in requests if request not in begun
    }
    return [
        Fate(casebook.get(installation, request.request_id), errors.get(request.request_id))
        for request in requests
    ]


def _not_verified(request: Request) -> RequestError:
    return RequestError(
        f"request {request.request_id[:12]} is {request.state}; only a verified one can be "
        f"carried out{_NEXT.get(request.state, '')}"
    )


class _Run:
    """The requests of one run, under one lease."""

    def __init__(self, batch: Batch, watch: Watch) -> None:
        self.batch = batch
        self.watch = watch
        self.errors: dict[RequestId, Exception] = {}
        self.unproved: dict[RequestId, frozenset[str]] = {}
        """Whose data they are about."""
        self.over: Exception | None = None
        """Why no other request is begun."""

    def all(self, requests: Sequence[Request]) -> dict[RequestId, Exception]:
        """Returns why those that were not answered were not."""
        for request in requests:
            number = request.request_id
            if self.over is None and self.watch.stop_asked():
                self.over = Stopped(_STOPPED_BEFORE)
            if self.over is None:
                self._one(number)
            else:
                self.errors[number] = self.over
        self._prove()
        return self.errors

    def _one(self, number: RequestId) -> None:
        # Read again: a person may have refused it while others were carried out.
        request = casebook.get(self.batch.installation, number)
        if request.state is not State.verified:
            self.errors[number] = _not_verified(request)
            return
        known = casebook.subjects(self.batch.installation, number)
        if any(subject.chosen is None for subject in known):
            self._failed([number], RequestError(_UNCHOSEN), _UNCHOSEN)
            return
        tokens = frozenset(subject.token for subject in known if subject.chosen)
        if any(tokens & others for others in self.unproved.values()):
            # The same person again: what the next does must not be held against the last.
            self._prove()
        if self.over is not None:
            self.errors[number] = self.over
            return
        self.watch.begins(request)
        with self._kept([number]):
            if request.kind in COPIES:
                copy(self.batch, request)
            else:
                change(self.batch, request)
                self.unproved[number] = tokens

    def _prove(self) -> None:
        """One search for all that have been executed; then each is answered, or has failed."""
        numbers = list(self.unproved)
        self.unproved.clear()
        installation, found = self.batch.installation, {}
        for number in numbers:
            with self._kept([number]):
                casebook.sought(installation, number)  # one that cannot be unsealed fails alone
        numbers = [number for number in numbers if number not in self.errors]
        with self._kept(numbers):
            found = proof.prove(installation, numbers, self._searches, as_of=self.batch.as_of)
        for number, traces in found.items():
            with self._kept([number]):
                if traces:
                    raise RequestError(
                        "a search by value finds more of the person than the outcomes explain: "
                        f"{proof.said(traces)}; see to it, then 'retention request retry'"
                    )
                returning.settle(installation, number, casebook.persons(installation, number))
                casebook.answer(
                    installation, number, by=BY, now=self.batch.clock(), as_of=self.batch.as_of
                )

    def _searches(self, place: str) -> None:
        self.batch.lease.renew(self.batch.clock())
        self.watch.searches(place)

    @contextmanager
    def _kept(self, numbers: Sequence[RequestId]) -> Iterator[None]:
        """Whatever goes wrong is written down with the requests, and goes no further."""
        try:
            yield
        except KeyboardInterrupt:
            self._fail(numbers, INTERRUPTED)
            raise
        except Stopped:
            self.over = self.over or Stopped(_STOPPED_BEFORE)
            self._failed(numbers, Stopped(STOPPED), STOPPED)
        except (LeaseHeld, StoreError) as error:
            # No single request is to blame for that: no other is begun.
            self.over = self.over or error
            self._failed(numbers, error, str(error))
        except RetentionError as error:
            self._failed(numbers, error, str(error))
        except Exception as error:  # noqa: BLE001 - its text may quote a row: only its kind is kept
            self._failed(numbers, error, f"unexpected {type(error).__name__}")

    def _failed(self, numbers: Sequence[RequestId], error: Exception, why: str) -> None:
        self.errors |= dict.fromkeys(numbers, error)
        self._fail(numbers, why, only_begun=isinstance(error, LeaseHeld))

    def _fail(self, numbers: Sequence[RequestId], why: str, *, only_begun: bool = False) -> None:
        """A lease that another run has is no failure of what had not begun."""
        installation = self.batch.installation
        for number in numbers:
            if only_begun and casebook.get(installation, number).state is State.verified:
                continue
            with suppress(RequestError):  # somebody has refused it meanwhile
                casebook.fail(installation, number, why, self.batch.clock())
