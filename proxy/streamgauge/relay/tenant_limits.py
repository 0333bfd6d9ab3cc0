"""How many requests each tenant may have under way, and how many a minute; of one worker, on top of the limits for addresses (``clients``).

Knows: what a tenant's entry allows. Must not know: who a tenant is, how a refusal is worded for the caller.
"""

from __future__ import annotations

from streamgauge.relay.refusal import TenantLimit
from streamgauge.tenancy.issued import TenantEntry

IN_FLIGHT_WAIT = 1.0
"""Seconds after which another try makes sense: when a place becomes free nobody knows."""


class _Count:
    """What one tenant has under way, and what is left of its minute."""

    __slots__ = ("at", "left", "under_way")

    def __init__(self, left: float, at: int) -> None:
        self.under_way = 0
        self.left = left
        self.at = at


class TenantLimits:
    """One per worker. Tenants that are limited are those of a file, so there is an end to them."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def begin(self, entry: TenantEntry, at: int) -> bool:
        """A request of a tenant begins at ``at`` (nanoseconds of the monotonic clock); whether ``end`` must be told. Raises ``TenantLimit``."""
        if entry.max_in_flight is None and entry.max_per_minute is None:
            return False
        count = self._counts.get(entry.name)
        if count is None:
            count = self._counts[entry.name] = _Count(float(entry.max_per_minute or 0), at)
        if entry.max_in_flight is not None and count.under_way >= entry.max_in_flight:
            raise TenantLimit(
                f"{entry.max_in_flight} requests of tenant {entry.name} are under way already (its max_in_flight)", IN_FLIGHT_WAIT
            )
        if entry.max_per_minute is not None:
            self._take(count, entry.max_per_minute, entry.name, at)
        count.under_way += 1
        return True

    @staticmethod
    def _take(count: _Count, per_minute: int, name: str, at: int) -> None:
        """A bucket that fills evenly and holds one minute's worth: so much may come at once after a pause."""
        count.left = min(float(per_minute), count.left + (at - count.at) * per_minute / 60e9)
        count.at = at
        if count.left < 1.0:
            wait = (1.0 - count.left) * 60.0 / per_minute
            raise TenantLimit(f"tenant {name} has used its {per_minute} requests a minute (its max_per_minute)", wait)
        count.left -= 1.0

    def end(self, name: str) -> None:
        """A request that had begun is over."""
        count = self._counts.get(name)
        if count is not None and count.under_way:
            count.under_way -= 1
