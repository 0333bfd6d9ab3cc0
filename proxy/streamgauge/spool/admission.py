"""Whether an exchange is described or only counted: decided once, when it begins. Pure.

Once its first record is taken, all that end it are taken too, whatever the limits say: so every exchange has either
records that end it or one count, never both. What is taken beyond the limits is bounded by the exchanges open at that moment.
"""

from __future__ import annotations


class Admission:
    """Remembers the open exchanges by decision. Both sets are bounded by the exchanges the relay has open, for each of them ends."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.refused: set[str] = set()

    def take(self, exchange_id: str) -> None:
        """An exchange begins and is described."""
        self.taken.add(exchange_id)

    def refuse(self, exchange_id: str) -> None:
        """An exchange begins and is counted; nothing of it is taken from here on."""
        self.refused.add(exchange_id)

    def end(self, exchange_id: str) -> bool | None:
        """An exchange ends: ``True`` if it was taken, ``False`` if it was refused and counted, ``None`` if it never began here."""
        if exchange_id in self.taken:
            self.taken.remove(exchange_id)
            return True
        if exchange_id in self.refused:
            self.refused.remove(exchange_id)
            return False
        return None
