"""Under which addresses the page answers, and to which pages: any site can make up a name of this computer."""

import socket
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

NOT_HERE = "This page answers only under the address that it was started for."
ELSEWHERE = "Another page may not use this one."
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Addresses:
    """What a `Host` may say.

    host: what the server listens on, an address or a name.
    names: further ones, under which a proxy shows the page.
    """

    host: str = "127.0.0.1"
    names: frozenset[str] = field(default_factory=frozenset)

    def problem_of(self, headers: Headers) -> str:
        """Why a request with these headers is none of this page's own; empty for one that may go on.

        A request of no browser says no origin; one of a page of another port says that page's. Ports of `Host` are not
        looked at, for a tunnel or a proxy has its own: that it equals `Origin` is enough.
        """
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) > 1 or not all(self._is_ours(host) for host in hosts):
            return NOT_HERE
        if origins and not (len(origins) == len(hosts) == 1 and _same(origins[0], hosts[0])):
            return ELSEWHERE
        return ""

    def _is_ours(self, text: str) -> bool:
        name, _ = _parsed(f"http://{text}") or ("", 0)
        if name in {self.host.strip("[]").lower(), *(known.lower() for known in self.names)} - {""}:
            return True
        if is_loopback(name):
            return True
        # Whoever makes up a name for this computer cannot make up a number.
        return not is_loopback(self.host) and (_is_number(name) or name in _own_names())


def is_loopback(name: str | None) -> bool:
    """Is it this computer, whichever one it is?"""
    return name == "localhost" or (_is_number(name or "") and ip_address(name or "").is_loopback)


def _own_names() -> set[str]:
    own = socket.gethostname().lower()
    return {own, f"{own}.local"}


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: str, host: str) -> bool:
    scheme = origin.partition("://")[0].lower()
    parsed = _parsed(origin)
    return parsed is not None and parsed == _parsed(f"{scheme}://{host}")


def _parsed(url: str) -> tuple[str, int] | None:
    """Name, in small letters, and port of an origin; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return (parts.hostname, port) if plain and parts.hostname else None
