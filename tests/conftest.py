"""What every test gets: how hard property tests look, in the suite and in acceptance."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("suite", deadline=None, print_blob=True)
"""No deadline: on a busy machine an example's duration says nothing about the code."""

settings.register_profile(
    "acceptance", parent=settings.get_profile("suite"), max_examples=3_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
