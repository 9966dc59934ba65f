"""Authorities that vouch for servers, read once for all HTTP clients of a process."""

from __future__ import annotations

from functools import cache

import httpcore2


def read_once() -> None:
    """A client reads them when it is made, 55 ms each, and a call has three or four: nobody else is heard meanwhile."""
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
