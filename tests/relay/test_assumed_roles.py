"""Roles of tenants, assumed from a real STS double: with the tenant's name and tags, cached, renewed before they end, and never asked in a flood."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.session import Session

from streamgauge.errors import ProxyCredentials
from streamgauge.relay.assumed_roles import DURATION_SECONDS, FAILED_SECONDS, RENEW_SECONDS, AssumedRoles, session_name, tags_of
from streamgauge.relay.credentials import own_session
from streamgauge.tenancy.issued import TenantEntry
from streamgauge.tenancy.resolver import Tenant
from tests.relay.sts import Sts

ARN = "arn:aws:iam::123456789012:role/team-a"
ENTRY = TenantEntry("team-a", role_arn=ARN, session_tags={"project": "chat"})
TENANT = Tenant("team-a", "search", "app", "CC-1", "key_pair", "verified")


@pytest.fixture(scope="module")
def server() -> Iterator[Sts]:
    made = Sts()
    yield made
    made.close()


@pytest.fixture
def sts(server: Sts) -> Sts:
    server.forget()
    return server


def session() -> Session:
    made = own_session()
    made.set_credentials("AKIDPROXY", "secret")
    return made


class Clock:
    """The wall clock of a test, ahead of the machine's by ``ahead`` seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return datetime.now(UTC).timestamp() + self.ahead


def test_a_role_is_assumed_under_the_tenants_name_with_its_tags(sts: Sts) -> None:
    async def ask() -> Any:
        roles = AssumedRoles(asyncio.get_running_loop(), sts.url, session)
        found = await roles.credentials(ENTRY, TENANT, "eu-central-1")
        roles.close()
        return found

    found = asyncio.run(ask())
    assert found.access_key.startswith("ASIA")
    assert found.token
    (asked,) = sts.asked
    assert asked["RoleArn"] == ARN
    assert asked["RoleSessionName"] == "team-a"
    tags = {asked[f"Tags.member.{n}.Key"]: asked[f"Tags.member.{n}.Value"] for n in range(1, 5)}
    assert tags == {"project": "chat", "tenant": "team-a", "team": "search", "cost-centre": "CC-1"}


def test_many_calls_wait_for_one_answer_and_share_it(sts: Sts) -> None:
    async def ask() -> list[Any]:
        roles = AssumedRoles(asyncio.get_running_loop(), sts.url, session)
        found = await asyncio.gather(*(roles.credentials(ENTRY, TENANT, "us-east-1") for _ in range(20)))
        found.append(await roles.credentials(ENTRY, TENANT, "us-east-1"))
        roles.close()
        return found

    assert len({found.access_key for found in asyncio.run(ask())}) == 1
    assert len(sts.asked) == 1


def test_credentials_are_renewed_before_they_end_and_nobody_waits(sts: Sts) -> None:
    async def ask() -> None:
        clock = Clock()
        roles = AssumedRoles(asyncio.get_running_loop(), sts.url, session, clock)
        first = await roles.credentials(ENTRY, TENANT, "us-east-1")
        clock.ahead = DURATION_SECONDS - RENEW_SECONDS + 10
        assert await roles.credentials(ENTRY, TENANT, "us-east-1") == first
        assert len(sts.asked) == 1
        async with asyncio.timeout(10):
            while (second := await roles.credentials(ENTRY, TENANT, "us-east-1")) == first:
                await asyncio.sleep(0.01)
        assert len(sts.asked) >= 2
        clock.ahead = 3 * DURATION_SECONDS  # what has ended signs nothing
        with pytest.raises(ProxyCredentials, match="could not be assumed"):
            await roles.credentials(ENTRY, TENANT, "us-east-1")
        assert second != first
        roles.close()

    asyncio.run(ask())


def test_a_refusal_is_told_in_one_sentence_and_sts_is_not_flooded(sts: Sts, caplog: pytest.LogCaptureFixture) -> None:
    sts.refuse = True

    async def ask() -> None:
        clock = Clock()
        roles = AssumedRoles(asyncio.get_running_loop(), sts.url, session, clock)
        for _ in range(5):
            with pytest.raises(ProxyCredentials, match=re.escape(f"{ARN} must trust the proxy's own role")) as caught:
                await roles.credentials(ENTRY, TENANT, "us-east-1")
            assert "AccessDenied" in str(caught.value)
            assert "secret text of a service" not in str(caught.value)
        assert len(sts.asked) == 1
        sts.refuse = False
        clock.ahead = FAILED_SECONDS + 1
        assert (await roles.credentials(ENTRY, TENANT, "us-east-1")).access_key.startswith("ASIA")
        roles.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(ask())
    assert [record.message for record in caplog.records].count(
        f"the role {ARN} of tenant team-a cannot be assumed: ClientError: AccessDenied, operation_name AssumeRole"
    ) == 1


def test_another_role_of_the_tenant_is_another_session(sts: Sts) -> None:
    async def ask() -> None:
        roles = AssumedRoles(asyncio.get_running_loop(), sts.url, session)
        first = await roles.credentials(ENTRY, TENANT, "us-east-1")
        other = TenantEntry("team-a", role_arn=ARN + "-2")
        assert await roles.credentials(other, TENANT, "us-east-1") != first
        assert len(roles._roles) == 1
        roles.close()

    asyncio.run(ask())


def test_no_thread_and_no_library_without_a_role() -> None:
    async def make() -> None:
        AssumedRoles(asyncio.get_running_loop()).close()

    before = threading.active_count()
    asyncio.run(make())
    assert threading.active_count() == before


@pytest.mark.parametrize(("tenant", "name"), [("team-a", "team-a"), ("a", "a-"), ("a/b:c", "a-b-c"), ("x" * 100, "x" * 64)])
def test_a_session_is_named_within_what_sts_takes(tenant: str, name: str) -> None:
    assert session_name(tenant) == name


def test_tags_name_only_what_is_known() -> None:
    assert tags_of(Tenant("a", None, "app")) == {"tenant": "a"}
