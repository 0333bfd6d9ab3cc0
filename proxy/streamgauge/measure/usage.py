"""Token counts from several statements of the provider, and what to do where two sources disagree."""

from __future__ import annotations

from streamgauge.records import Usage, UsageReported

FIELDS = Usage.__struct_fields__


class Tally:
    """Takes statements as they come; the last non-null value of each field stands (providers state usage cumulatively).

    Two sources are kept apart: the model's own usage, and the service's second opinion (metrics member, headers).
    """

    __slots__ = ("_own", "_second")

    def __init__(self) -> None:
        self._own: Usage | None = None
        self._second: Usage | None = None

    def add(self, reported: UsageReported) -> None:
        """One more statement."""
        if reported.preferred:
            self._own = _merge(self._own, reported.usage)
        else:
            self._second = _merge(self._second, reported.usage)

    def result(self) -> Usage | None:
        """The counts that stand: the model's own, filled up from the second source; ``None`` if nothing was stated."""
        if self._own is None:
            return self._second
        return self._own if self._second is None else _merge(self._second, self._own)

    @property
    def is_whole(self) -> bool:
        """Whether both input and output were stated."""
        own = self._own
        usage = own if own is not None and own.input_tokens is not None and own.output_tokens is not None else self.result()
        return usage is not None and usage.input_tokens is not None and usage.output_tokens is not None

    def conflict(self) -> dict[str, int] | None:
        """The second source's counts for the fields in which it contradicts the model's own; ``None`` if it does not."""
        if self._own is None or self._second is None:
            return None
        pairs = ((name, getattr(self._own, name), getattr(self._second, name)) for name in FIELDS)
        return {name: second for name, own, second in pairs if own is not None and second is not None and own != second} or None


def _merge(older: Usage | None, newer: Usage) -> Usage:
    if older is None:
        return newer
    values = {}
    for name in FIELDS:
        value = getattr(newer, name)
        values[name] = getattr(older, name) if value is None else value
    return Usage(**values)
