"""Which of AWS's hosts a request goes to that was addressed to us: its region's partition, and the kind that is set; and which further ones."""

from __future__ import annotations

import pytest

from streamgauge.targets import TargetSettings
from tests.test_targets import CONVERSE, OURS, refused, resolve, scope, where


@pytest.mark.parametrize(
    ("region", "fips", "dualstack", "expected"),
    [
        ("us-gov-west-1", False, False, "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("us-gov-west-1", True, False, "bedrock-runtime-fips.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", False, False, "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", False, True, "bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn"),
        ("us-iso-east-1", False, False, "bedrock-runtime.us-iso-east-1.c2s.ic.gov"),
        ("us-east-1", True, True, "bedrock-runtime-fips.us-east-1.api.aws"),
    ],
)
def test_the_scopes_region_leads_to_its_partitions_host_of_the_kind_that_is_set(
    region: str, fips: bool, dualstack: bool, expected: str
) -> None:
    settings = TargetSettings(use_fips=fips, use_dualstack=dualstack)
    target = resolve(CONVERSE, OURS, scope(region), settings)
    assert (target.host, target.host_header, target.region) == (expected, expected.encode(), region)
    named = "bedrock-runtime.us-east-1.amazonaws.com"
    assert resolve(CONVERSE, named, scope("us-east-1"), settings).host == named


def test_a_service_without_a_fips_host_is_refused_with_the_remedy() -> None:
    refused(
        "/v1/responses", OURS, scope("us-east-1", "bedrock-mantle"), TargetSettings(use_fips=True), match="targets.upstreams.bedrock-mantle"
    )


def test_an_ipv6_address_and_its_port_are_no_other_address() -> None:
    settings = TargetSettings(extra_hosts=("[2001:db8::5]:443",), default_region="us-east-1")
    assert where(resolve("http://[2001:db8::5]:443/x", "[2001:db8::5]:443", None, settings)) == "http://2001:db8::5:443"
    for other in ("[2001:db8::5:443]:6379", "[2001:db8::5:443]", "[2001:db8::5]:22", "[2001:db8::5]"):
        refused(f"http://{other}/x", other, None, settings, match="not relayed")
