# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a request may go: the key to its service only, and a download never into a private network.

A name is resolved once, each address is checked, and a checked address is the one that is connected to: a name that
answers differently the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from ..errors import BadOption, BadResult
from .words import redacted

Address = IPv4Address | IPv6Address

_PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_SHOWN_LENGTH = 80


@dataclass(frozen=True)
class Service:
    """The configured address of a service.

    Plain http is for loopback, and for services without a key in a private network.
    """

    url: str
    host: str
    port: int
    is_plain: bool
    has_key: bool

    @classmethod
    def at(cls, url: str, *, has_key: bool) -> Service:
        """Read the address.

        Raises:
            BadOption: it is none, or the key, or pictures, would travel in plain text.
        """
        try:
            parts = _split(url.rstrip("/"))
        except ValueError as error:
            raise BadOption(f'"{_shown(url)}" is not the address of a service: {error}.', hint=_EXAMPLE) from None
        if parts.query or parts.fragment:
            raise BadOption(f'"{_shown(url)}" is not the address of a service: it has a query.', hint=_EXAMPLE)
        service = cls(parts.geturl(), _host(parts), _port(parts), parts.scheme == "http", has_key)
        literal = literal_address(service.host)
        if service.is_plain and not service.is_loopback and (has_key or (literal and is_public(literal))):
            raise BadOption(f"{_shown(url)} would carry the request in plain text.", hint="Use https.")
        return service

    @property
    def is_loopback(self) -> bool:
        literal = literal_address(self.host)
        return literal.is_loopback if literal else _is_local_name(self.host)

    def address_of(self, path_or_url: str) -> str:
        """Return the full address of one of the service's own calls, which may carry the key.

        Raises:
            BadResult: an address that a reply gave is not at the service.
        """
        if path_or_url.startswith("/"):
            return self.url + path_or_url
        try:
            parts = _split(path_or_url)
        except ValueError as error:
            raise BadResult(f'The service names a wrong address, "{_shown(path_or_url)}": {error}.') from None
        if not self._is_same(parts):
            raise BadResult(
                f'The service names an address at another host, "{_host(parts)}"; the key is not sent there.'
            )
        return path_or_url

    def is_own(self, url: str) -> bool:
        """Whether `address_of` takes a full address."""
        try:
            return self._is_same(_split(url))
        except ValueError:
            return False

    def _is_same(self, parts: SplitResult) -> bool:
        return (_host(parts), _port(parts), parts.scheme == "http") == (self.host, self.port, self.is_plain)

    def check_link(self, link: str) -> None:
        """Judge a link to a result by what is written in it.

        Raises:
            BadResult: its scheme or its literal address is not for results.
        """
        try:
            parts = _split(link)
        except ValueError as error:
            raise BadResult(f"The link to the result is wrong: {error}.") from None
        host = _host(parts)
        if parts.scheme == "http" and not self._may_be_plain(host):
            raise BadResult(f"The link to the result at {host} is not encrypted (http).")
        literal = literal_address(host)
        if literal is not None or _is_local_name(host):
            self.allowed(host, [literal or ip_address("127.0.0.1")], is_plain=parts.scheme == "http")

    def _may_be_plain(self, host: str) -> bool:
        literal = literal_address(host)
        is_local = literal.is_loopback if literal else _is_local_name(host)
        return (host == self.host and self.is_plain) or (self.is_loopback and is_local)

    def allowed(self, host: str, addresses: Iterable[Address], *, is_plain: bool) -> list[Address]:
        """Return those of a host's addresses that may be connected to.

        Raises:
            BadResult: none of them.
            BadOption: none, and it is the service's own host.
        """
        found = list(addresses)
        good = [address for address in found if self._is_allowed(host, address, is_plain=is_plain)]
        if found and not good:
            if host == self.host:
                raise BadOption(f"{host} ({found[0]}) must not be asked in plain http.", hint="Use https.")
            raise BadResult(f"The link to the result leads to {host} ({found[0]}), inside a private network.")
        return good

    def _is_allowed(self, host: str, address: Address, *, is_plain: bool) -> bool:
        if host == self.host:
            return not is_plain or _is_loopback(address) or not (self.has_key or is_public(address))
        return is_public(address) or (self.is_loopback and _is_loopback(address))


_EXAMPLE = "For example: http://127.0.0.1:8081."


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, in the system's order.

    Raises:
        OSError: it has none (socket.gaierror).
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(each[4][0]).partition("%")[0]) for each in found))


def literal_address(host: str) -> Address | None:
    """Return the address that a host is, written in any form that the system would understand (127.1, 0x7f000001)."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_public(address: Address) -> bool:
    """Whether it is an ordinary address in the Internet, also behind the forms in which IPv6 wraps IPv4."""
    inner = _unwrapped(address)
    return inner.is_global and not inner.is_multicast


def next_link(link: str, location: str) -> str:
    return urljoin(link, location)


def _shown(url: str) -> str:
    return redacted(url, ())[:_SHOWN_LENGTH]


def _is_loopback(address: Address) -> bool:
    return _unwrapped(address).is_loopback


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    compatible = IPv4Address(int(address)) if address in _IPV4_COMPATIBLE and int(address) > 1 else None
    return address.ipv4_mapped or address.sixtofour or teredo or compatible or address


def _is_local_name(host: str) -> bool:
    return host in {"localhost", "localhost.localdomain"} or host.endswith(".localhost")


def _split(url: str) -> SplitResult:
    """Take a URL apart; raises ValueError for everything that two parsers might read differently."""
    if _NEVER_IN_A_URL.search(url):
        raise ValueError("it has spaces or backslashes")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f'it begins with "{parts.scheme}:", not with https' if parts.scheme else "it is incomplete")
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("it names no host" if not parts.hostname else "it has a user in it")
    if not parts.netloc.isascii() or "%" in parts.netloc:
        raise ValueError("its host is written in an unusual way")  # requests and proxies make an address of "①②⑦.0.0.1"
    _ = parts.port  # raises ValueError
    return parts


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
