"""What the tests of the relay share: each module says by its own ``shared`` or ``relay`` how the relay is set up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay.scene import Scene
from tests.relay.wire import RawUpstream


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """One test's time with the module's relay: nothing of it is left for the next."""
    shared.begin()
    yield shared
    shared.end()


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    """An upstream of raw bytes, for one test."""
    made = RawUpstream()
    yield made
    made.close()
