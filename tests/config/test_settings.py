from __future__ import annotations

from streamgauge.config.keys import every_key
from streamgauge.config.settings import MAY_BE_ZERO


def test_what_may_be_zero_is_a_number_that_exists() -> None:
    numbers = {key.name for key in every_key() if key.hint in (int, float)}
    assert numbers >= MAY_BE_ZERO
