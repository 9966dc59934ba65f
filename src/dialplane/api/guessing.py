"""How often somebody may try to sign in, by where they ask from and as whom."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from fastapi import HTTPException, Request

from dialplane.api.rate import Guesses


def check_pace(request: Request, email: str) -> None:
    """Raises HTTPException, 429, for who has tried too often."""
    wait = guesses_of(request).wait_seconds(_origin(request), email.lower())
    if wait:
        raise HTTPException(429, "too many tries; Retry-After says when to go on", {"Retry-After": str(ceil(wait))})


def guesses_of(request: Request) -> Guesses:
    guesses: Guesses = request.app.state.guesses
    return guesses


def _origin(request: Request) -> str:
    """The address that asks; of IPv6 the network, of which one home has a whole one."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network(f"{address}/64", strict=False)) if isinstance(address, IPv6Address) else host
