"""Trunks that say nothing. A file of its own: the stack waits 32 seconds for a response (RFC 3261, timer B)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from callees import HOST, callee, free_port, needs_programs
from trunks import Stage

from dialplane.core.disposition import Disposition
from dialplane.ports import Lookup

pytestmark = [needs_programs, pytest.mark.asyncio]


async def test_a_call_without_any_sign_of_ringing_ends_as_unknown_and_goes_out_once(
    trunk_to: Callable[..., Stage],
) -> None:
    """The ring timeout passes first, in vain: what has had no response cannot be cancelled."""
    nobody = {"provider": "sip", "host": HOST, "port": free_port(), "local_address": HOST, "probe": False}
    with callee("silent") as silent, callee("trying") as trying:
        stages = [trunk_to(settings, ring_timeout_seconds=1) for settings in (silent.trunk, trying.trunk, nobody)]

        orders = await asyncio.gather(*(stage.placed() for stage in stages))
        ends = await asyncio.gather(*(stage.end(order, 45) for stage, order in zip(stages, orders, strict=True)))

        assert [end.disposition for end in ends] == 3 * [Disposition.UNKNOWN]
        assert {end.cause for end in ends} == {"no response from the trunk"}
        assert silent.invites() == {str(orders[0].attempt_uuid): 1}
        assert len(silent.received("INVITE")) > 3, "the same one, again and again"
        assert (len(trying.received("INVITE")), len(trying.wait_for("CANCEL"))) == (1, 1)
        assert await stages[0].carrier.lookup(orders[0]) is Lookup.KNOWN
