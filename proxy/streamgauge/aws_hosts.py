"""The names of AWS's runtime hosts: which service and region one means, and which one a service has in a region.

Knows: the table derived from botocore's endpoint rules: prefixes of services, suffixes of partitions, how FIPS and dual-stack hosts differ.
Must not know: what is allowed, how a host was named to us.
"""

from __future__ import annotations

import re

from streamgauge.routing import Partition, RouteTable, Service

REGION = re.compile(r"[a-z]{2,6}(?:-[a-z]{1,12}){1,3}-[0-9]{1,2}")
"""The name of a region, of those to come too."""


class AwsHosts:
    """Ready to ask."""

    def __init__(self, table: RouteTable) -> None:
        self._partitions = tuple((re.compile(partition.regions), partition) for partition in table.partitions)
        self._by_prefix = {prefix: service for service in table.services for prefix in service.host_prefixes}
        prefixes = "|".join(re.escape(prefix) for prefix in sorted(self._by_prefix, key=len, reverse=True))
        suffixes = "|".join(re.escape(suffix) for suffix in sorted({s for p in table.partitions for s in _suffixes(p)}))
        self._name = re.compile(
            rf"(?:vpce-[a-z0-9-]{{1,60}}\.)?(?P<prefix>{prefixes})\.(?P<region>{REGION.pattern})\.(?:vpce\.)?(?P<suffix>{suffixes})"
        )

    def read(self, name: str) -> tuple[Service, str] | None:
        """Service and region of a host name: standard, FIPS, dual-stack or of a VPC endpoint; ``None`` for what is no such host.

        A region stands only under the suffixes of its own partition.
        """
        found = self._name.fullmatch(name)
        if found is None or found["suffix"] not in _suffixes(self.partition(found["region"])):
            return None
        return self._by_prefix[found["prefix"]], found["region"]

    def name(self, service: Service, region: str, *, fips: bool = False, dual_stack: bool = False) -> str | None:
        """The host of a service in a region; ``None`` where AWS's rules have none of that kind."""
        partition = self.partition(region)
        prefix: str | None = service.host_prefixes[0]
        if fips:
            by_partition = service.fips_dual_stack if dual_stack else service.fips
            prefix = by_partition.get(partition.name, by_partition.get(""))
        if prefix is None:
            return None
        suffix = partition.dual_stack_suffix if dual_stack or service.dual_stack else partition.dns_suffix
        return f"{prefix}.{region}.{suffix}"

    def partition(self, region: str) -> Partition:
        """The partition of a region; as botocore has it, the first one for a region that no partition knows yet."""
        return next((partition for pattern, partition in self._partitions if pattern.fullmatch(region)), self._partitions[0][1])


def _suffixes(partition: Partition) -> tuple[str, str]:
    return partition.dns_suffix, partition.dual_stack_suffix
