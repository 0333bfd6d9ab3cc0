"""The relay workers of one proxy: one for each group of listening sockets, replaced when they die, leave, or get new settings.

Knows: who is in place, who is leaving, who is about to come. Must not know: sockets, what the settings mean.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamgauge.child import ENDING_SECONDS
from streamgauge.supervisor.children import Child, end

READY_SECONDS = 60.0
"""What a new worker gets until it serves; it takes less than a second, on a machine that is busy with as many others a few more."""

RETIRED_KEPT = 3
"""Workers per place that may be ending their streams at leisure: each holds some tens of megabytes. Beyond it the oldest gets ``drain_seconds``."""

RETIRED_SECONDS = 3700.0
"""A retired worker ends by itself within an hour (``relay.leaving``); what has not by then hangs."""

Make = Callable[[int], Child]
"""A new worker for a place, not started yet."""

_log = logging.getLogger("streamgauge")


@dataclass
class Retired:
    """A worker whose place is taken. ``kill_at``: monotonic seconds, when it must have ended; ``hurried``: it has been told to."""

    child: Child
    kill_at: float
    hurried: bool = False


@dataclass
class Roll:
    """A replacement of all workers, one by one: ``places`` still to come, the new worker that is starting up, until when.
    ``before``: what made workers until then, and does again if this fails."""

    make: Make
    before: Make | None
    places: list[int]
    done: Callable[[bool], None]
    coming: Child | None = None
    deadline: float = 0.0
    swapped: int = 0


@dataclass
class Workers:
    """Start with ``start``, call ``tend`` several times a second, end with ``end``."""

    drain_seconds: float = 30.0
    placed: list[Child] = field(default_factory=list)
    _retired: list[Retired] = field(default_factory=list)
    _make: Make | None = None
    _roll: Roll | None = None

    def start(self, make: Make, count: int) -> None:
        """Fill all places. Raises ``OSError`` when no process is to be had."""
        self._make = make
        self.placed = [make(place) for place in range(count)]
        for child in self.placed:
            child.start()

    def children(self) -> list[Child]:
        """All of them, those in place first."""
        coming = [self._roll.coming] if self._roll is not None and self._roll.coming is not None else []
        return [*self.placed, *coming, *(retired.child for retired in self._retired)]

    def tend(self) -> None:
        """Replace who has died or is leaving, go on with a roll, see the retired off."""
        now = time.monotonic()
        for place, child in enumerate(self.placed):
            child.listen()
            if child.draining and child.process is not None and self._make is not None:
                _log.info("%s was told to end; another takes its place at once", child.name)
                self._put(place, self._make(place), now)
            restart(self.placed[place], now)
        self._roll_on(now)
        self._see_off(now)

    def roll(self, make: Make, done: Callable[[bool], None]) -> None:
        """Replace all, one by one, each when the next one serves; ``done`` hears whether that succeeded. A roll under way is given up for this one."""
        if self._roll is not None:
            self._give_up(self._roll)
        self._roll = Roll(make, self._make, list(range(len(self.placed))), done)

    def end(self, seconds: float) -> None:
        """End all of them in order; what has not ended within ``seconds`` is killed."""
        end(self.children(), seconds)
        self.placed, self._retired, self._roll = [], [], None

    def _put(self, place: int, child: Child, now: float) -> None:
        """Put a worker, running or not, into a place; who is there ends what it has at leisure."""
        before, self.placed[place] = self.placed[place], child
        if before.process is not None:
            before.retire()
            self._retired.append(Retired(before, now + RETIRED_SECONDS))

    def _roll_on(self, now: float) -> None:
        roll = self._roll
        if roll is None:
            return
        if roll.coming is None:
            roll.coming, roll.deadline = roll.make(roll.places[0]), now + READY_SECONDS
            try:
                roll.coming.start()
            except OSError as error:
                self._failed(roll, f"cannot be started ({error.strerror})")
            return
        roll.coming.listen()
        if roll.coming.serving:
            self._put(roll.places.pop(0), roll.coming, now)
            roll.coming, roll.swapped, self._make = None, roll.swapped + 1, roll.make
            if not roll.places:
                self._roll = None
                roll.done(True)
        elif (code := roll.coming.died()) is not None:
            self._failed(roll, f"ended with exit code {code} before it served")
        elif now > roll.deadline:
            self._failed(roll, f"does not serve after {READY_SECONDS:g} s")

    def _failed(self, roll: Roll, why: str) -> None:
        assert roll.coming is not None
        _log.error("with the new settings %s %s; %d of %d workers have them", roll.coming.name, why, roll.swapped, len(self.placed))
        self._give_up(roll)
        self._roll = None
        roll.done(False)

    def _give_up(self, roll: Roll) -> None:
        self._make = roll.before  # whoever is replaced from now on gets settings that are known to work
        if roll.coming is not None and roll.coming.process is not None:
            roll.coming.retire()  # it has no place whose health it could speak for
            self._hurry(Retired(roll.coming, 0.0), time.monotonic())

    def _hurry(self, retired: Retired, now: float) -> None:
        assert retired.child.process is not None
        retired.child.process.terminate()
        retired.hurried, retired.kill_at = True, now + self.drain_seconds + ENDING_SECONDS
        if retired not in self._retired:
            self._retired.append(retired)

    def _see_off(self, now: float) -> None:
        for retired in list(self._retired):
            code = retired.child.died()
            if code is not None or retired.child.process is None:
                self._retired.remove(retired)
                if code:
                    _log.error("%s, whose place was taken, ended with exit code %d", retired.child.name, code)
            elif now > retired.kill_at:
                _log.error("%s, whose place was taken, does not end and is killed", retired.child.name)
                retired.child.process.kill()
        at_leisure = [retired for retired in self._retired if not retired.hurried]
        for retired in at_leisure[: max(0, len(at_leisure) - RETIRED_KEPT * len(self.placed))]:
            self._hurry(retired, now)


def restart(child: Child, now: float) -> None:
    """Start again what has died and whose wait is over."""
    code = child.died()
    if code is not None and not (child.told_to_go and code == 0):
        _log.error("%s ended with exit code %d; starting another in %.1f s", child.name, code, child.pause)
    if child.process is None and now >= child.restart_at:
        try:
            child.start()
        except OSError as error:  # no process or no memory to be had: the others go on
            child.put_off()
            _log.error("%s cannot be started (%s); trying again in %.1f s", child.name, error.strerror, child.pause)
