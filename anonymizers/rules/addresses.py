"""Internet addresses generalised: to their network, never to a place.

No geography is read into an address: a country looked up would be a guess that ages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
)
from typing import ClassVar

from anonymizers.hierarchies import EVERYTHING, HierarchyError
from anonymizers.rules.labelling import DistinctRule


@dataclass(frozen=True)
class ByAddress(DistinctRule):
    """Address, its network (/24 of IPv4, /48 of IPv6), its version, everything.

    An IPv4 address inside an IPv6 one ("::ffff:192.0.2.1", or 6to4's 2002::/16, whose /48 would
    hold it whole) counts as that IPv4 address. A zone ("%eth0") is dropped. Anything else than
    one address, a port or a list included, is ``UNKNOWN``; so are numbers.
    """

    ipv4: int = 24
    ipv6: int = 48
    names: ClassVar[tuple[str, ...]] = ("address", "network", "version", EVERYTHING)

    def __post_init__(self) -> None:
        for version, given, most in (("IPv4", self.ipv4, 24), ("IPv6", self.ipv6, 48)):
            if not 1 <= given <= most:
                raise HierarchyError(
                    f"a network of {version} addresses is /1 to /{most}, not /{given}: a longer "
                    f"prefix is a household's"
                )

    def _path(self, value: object) -> Sequence[str] | None:
        address = _address(value)
        if address is None:
            return None
        length = self.ipv4 if address.version == 4 else self.ipv6
        host = address.max_prefixlen - length
        network = type(address)(int(address) >> host << host)
        return str(address), f"{network}/{length}", f"IPv{address.version}"

    def _vocabulary(self, level: str) -> frozenset[str] | None:
        return frozenset({"IPv4", "IPv6"}) if level == "version" else None


def _address(value: object) -> IPv4Address | IPv6Address | None:
    if isinstance(value, (IPv4Interface, IPv6Interface)):
        value = value.ip
    if isinstance(value, str):
        try:
            value = ip_address(value.strip())
        except ValueError:
            return None
    if isinstance(value, IPv6Address):
        # Its zone goes with the detour over the number.
        value = value.ipv4_mapped or value.sixtofour or IPv6Address(int(value))
    return value if isinstance(value, (IPv4Address, IPv6Address)) else None
