"""What every test gets: how hard property tests look, in the suite and in acceptance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import Database, Server

settings.register_profile("suite", deadline=None, print_blob=True)
"""No deadline: on a busy machine an example's duration says nothing about the code."""

settings.register_profile(
    "acceptance", parent=settings.get_profile("suite"), max_examples=3_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running PostgreSQL, the same for all tests; who stops it starts it again."""
    from tests.postgres import Server  # its driver is loaded where it is needed

    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres_server: Server) -> Iterator[Database]:
    """An empty database of it."""
    with postgres_server.database() as made:
        yield made
