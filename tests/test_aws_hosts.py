"""The names of AWS's hosts are those of botocore's own endpoint rules, in every partition, and are read back as what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from streamgauge.aws_hosts import REGION, AwsHosts
from streamgauge.routing import Service, shipped_table

HOSTS = AwsHosts(shipped_table())
SERVICES = {service.name: service for service in shipped_table().services}
MODELLED = sorted(SERVICES.keys() - {"bedrock-mantle"})


def rules(service: str) -> Iterator[tuple[str, bool, bool, str]]:
    """(region, FIPS, dual-stack, host) as the installed botocore has them."""
    loader: Any = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    for partition in partitions["partitions"]:
        for region in partition["regions"]:
            for fips in (False, True):
                for dual_stack in (False, True):
                    url = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack).url
                    yield region, fips, dual_stack, url.removeprefix("https://")


@pytest.mark.parametrize("service", MODELLED)
def test_every_host_of_botocores_rules_is_made_and_read_back(service: str) -> None:
    looked_at = 0
    for region, fips, dual_stack, host in rules(service):
        if not REGION.fullmatch(region):  # "aws-global" and its like have no runtime
            continue
        looked_at += 1
        assert HOSTS.name(SERVICES[service], region, fips=fips, dual_stack=dual_stack) == host
        assert HOSTS.read(host) == (SERVICES[service], region)
    assert looked_at > 100


def read(name: str) -> tuple[str, str] | None:
    found = HOSTS.read(name)
    return None if found is None else (found[0].name, found[1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vpce-0a1b2c3d-xyz.bedrock-runtime.us-east-1.vpce.amazonaws.com", ("bedrock-runtime", "us-east-1")),
        ("vpce-0a1b2c3d-xyz-us-east-1a.bedrock-runtime.us-east-1.vpce.amazonaws.com", ("bedrock-runtime", "us-east-1")),
        ("vpce-0a1b.runtime.sagemaker.us-gov-west-1.vpce.amazonaws.com", ("sagemaker-runtime", "us-gov-west-1")),
        ("vpce-0a1b.bedrock-runtime.cn-north-1.vpce.amazonaws.com.cn", ("bedrock-runtime", "cn-north-1")),
        ("vpce-0a1b.bedrock-mantle.us-east-1.vpce.amazonaws.com", ("bedrock-mantle", "us-east-1")),
        ("bedrock-mantle.eu-west-1.api.aws", ("bedrock-mantle", "eu-west-1")),
        ("bedrock-runtime.mx-central-1.amazonaws.com", ("bedrock-runtime", "mx-central-1")),
        ("bedrock-runtime.xy-nowhere-1.amazonaws.com", ("bedrock-runtime", "xy-nowhere-1")),
        ("bedrock-runtime.us-iso-east-1.c2s.ic.gov", ("bedrock-runtime", "us-iso-east-1")),
        ("bedrock-runtime.us-isob-east-1.sc2s.sgov.gov", ("bedrock-runtime", "us-isob-east-1")),
        ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", ("bedrock-runtime", "eusc-de-east-1")),
        # A region under the suffix of another partition: nobody runs that.
        ("bedrock-runtime.us-east-1.amazonaws.com.cn", None),
        ("bedrock-runtime.cn-north-1.amazonaws.com", None),
        ("bedrock-runtime.us-iso-east-1.amazonaws.com", None),
        ("bedrock-runtime.us-east-1.amazonaws.com.evil.example", None),
        ("evil.bedrock-runtime.us-east-1.amazonaws.com", None),
        ("bedrock-runtime.amazonaws.com", None),
        ("bedrock.us-east-1.amazonaws.com", None),
    ],
)
def test_a_name_is_read_as_what_it_is(name: str, expected: tuple[str, str] | None) -> None:
    assert read(name) == expected


def test_a_service_without_fips_hosts_has_none() -> None:
    assert HOSTS.name(SERVICES["bedrock-mantle"], "us-east-1") == "bedrock-mantle.us-east-1.api.aws"
    assert HOSTS.name(SERVICES["bedrock-mantle"], "us-east-1", fips=True) is None


def test_partitions_are_found_by_their_regions() -> None:
    regions = {"us-gov-east-1": "aws-us-gov", "cn-northwest-1": "aws-cn", "eu-isoe-west-1": "aws-iso-e", "xy-nowhere-1": "aws"}
    assert {region: HOSTS.partition(region).name for region in regions} == regions
    assert isinstance(SERVICES["bedrock-runtime"], Service)
