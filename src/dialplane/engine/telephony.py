"""Carriers as people manage them: made, changed, switched off, chosen for a campaign."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID, uuid4

from dialplane.core.pacing import Pace
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.carriers import NOT_FOUND as CARRIER_NOT_FOUND
from dialplane.engine.carriers import (
    CarrierRecord,
    Settings,
    blocked_reason,
    campaigns_on,
    carrier_record,
    live_carrier,
    load_carrier,
    withdraw,
)
from dialplane.engine.sealing import Sealer, masked, unmasked
from dialplane.errors import Conflict, EnvironmentFault, Invalid, NotFound
from dialplane.ports import CarrierLimits, Carriers, Clock
from dialplane.store.postgres import Database, rows, sql
from dialplane.store.turn import Turn, open_command

PAGE = 500
LimitsOf = Callable[[str, Settings], CarrierLimits]  # (provider, settings); raises Invalid


class Telephony:
    """Carriers of one organization."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        organization_id: int,
        campaigns: Campaigns,
        carriers: Carriers,
        sealer: Sealer,
        limits_of: LimitsOf,
    ) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns
        self._carriers = carriers
        self._sealer = sealer
        self._limits_of = limits_of

    # --- look ------------------------------------------------------------------------------------------------

    async def get(self, carrier_id: int) -> CarrierRecord:
        """Raises NotFound, for an archived one too."""
        async with self._database.connection() as connection:
            return await live_carrier(connection, self._organization_id, carrier_id)

    async def id_of(self, uuid: UUID) -> int:
        """Raises NotFound, for an archived one too."""
        async with self._database.connection() as connection:
            found = await sql.carrier_of_uuid(connection, uuid=uuid, **self._of)
        if found is None:
            raise NotFound(CARRIER_NOT_FOUND)
        return int(found)

    async def page(self, *, after: int = 0, limit: int = PAGE) -> list[CarrierRecord]:
        """By id, after the carrier `after`."""
        async with self._database.connection() as connection:
            found = await rows(sql.carriers(connection, after=after, limit=limit, **self._of))
        return [carrier_record(row) for row in found]

    def shown(self, carrier: CarrierRecord) -> dict[str, Any]:
        """Its settings for people, secrets masked. Raises EnvironmentFault."""
        return masked(self._settings(carrier))

    async def readiness(self, carrier_id: int) -> str | None:
        """Why no call can be placed through it; None when calls can."""
        return await self.blocked(await load_carrier(self._database, self._organization_id, carrier_id))

    async def blocked(self, carrier: CarrierRecord) -> str | None:
        """The same for a carrier that has been read."""
        return await blocked_reason(self._carriers, self._organization_id, carrier)

    async def all_blocked(self, carriers: Sequence[CarrierRecord]) -> list[str | None]:
        """The same for several at once, in their order."""
        return list(await asyncio.gather(*map(self.blocked, carriers)))

    async def choose(self, carrier_id: int | None) -> int:
        """The carrier for calls: this one, else the default if it is ready, else the first that is.

        Raises Invalid where there is none, Conflict where it is not ready.
        """
        if carrier_id is not None:
            return await self._given(carrier_id)
        first: tuple[CarrierRecord, str] | None = None
        async for carrier in self._candidates():
            reason = await self.blocked(carrier)
            if reason is None:
                return carrier.id
            first = first or (carrier, reason)
        if first is None:
            raise Invalid("telephony_configuration_not_found")
        raise _not_ready(*first)

    async def usual(self) -> CarrierRecord | None:
        """The default, else the oldest; ready or not."""
        async for carrier in self._candidates():
            return carrier
        return None

    async def _given(self, carrier_id: int) -> int:
        try:
            carrier = await self.get(carrier_id)
        except NotFound:
            raise Invalid("telephony_configuration_not_found") from None
        if (reason := await self.blocked(carrier)) is not None:
            raise _not_ready(carrier, reason)
        return carrier.id

    async def _candidates(self) -> AsyncIterator[CarrierRecord]:
        """The default, then the others by age."""
        async with self._database.connection() as connection:
            default_id = await sql.default_carrier(connection, **self._of)
        if default_id is not None:
            yield await self.get(default_id)
        after = 0
        while page := await self.page(after=after):
            for carrier in page:
                if carrier.id != default_id:
                    yield carrier
            after = page[-1].id

    async def lines(self) -> dict[int, Counter[int | None]]:
        """Calls in progress through each carrier that has any, by the number that they come from."""
        lines: defaultdict[int, Counter[int | None]] = defaultdict(Counter)
        async with self._database.connection() as connection:
            for row in await rows(sql.lines_of_carriers(connection, **self._of)):
                lines[row["carrier_id"]][row["number_id"]] += row["lines"]
        return dict(lines)

    # --- make and change -------------------------------------------------------------------------------------

    async def ensure(self, name: str, provider: str, settings: Settings, numbers: Sequence[str]) -> int:
        """The id of the carrier with these very settings; numbers (E.164) are added to those it has. Raises Invalid."""
        plain, sealed = self._sealer.seal(settings)
        limits = self._limits_of(provider, settings)
        async with self._command() as turn:
            found = await rows(
                sql.find_carriers(turn.connection, name=name, provider=provider, settings=plain, **self._of)
            )
            # No two encryptions of a text are alike, so what they hold is compared.
            same = [row["id"] for row in found if self._sealer.opened(plain, row["sealed"]) == settings]
            carrier_id = same[0] if same else await self._insert(turn, name, provider, plain, sealed, limits)
            for number in numbers:
                await sql.add_number(
                    turn.connection,
                    uuid=uuid4(),
                    carrier_id=carrier_id,
                    e164=number,
                    label="",
                    active=True,
                    max_lines=None,
                    metadata={},
                    now=turn.now,
                    **self._of,
                )
        return int(carrier_id)

    async def create(
        self,
        *,
        name: str,
        provider: str,
        settings: Settings,
        limits: Mapping[str, Any] | None = None,
        is_default: bool = False,
    ) -> int:
        """A new carrier. limits: `max_lines` and `cps` other than its settings say.

        Raises Invalid, Conflict for a name that another one has.
        """
        settings = unmasked(settings, dict)
        plain, sealed = self._sealer.seal(settings)
        allowed = _changed_limits(self._limits_of(provider, settings), limits or {})
        async with self._command() as turn:
            await self._free_name(turn, name)
            carrier_id = await self._insert(turn, name, provider, plain, sealed, allowed)
            if is_default:
                await self._make_default(turn, carrier_id)
        return carrier_id

    async def change(
        self,
        carrier_id: int,
        *,
        name: str | None = None,
        settings: Settings | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """What is given; a mask in the settings keeps the secret that it stands for. Raises NotFound, Invalid.

        A limit that came from the settings follows them; one that was set by hand stays until it is set again.
        """
        async with self._command() as turn:
            before = await self._live(turn, carrier_id)
            if name is not None and name != before.name:
                await self._free_name(turn, name, except_id=carrier_id)
            plain, sealed, allowed, revisions = before.plain, before.sealed, before.limits, 0
            if settings is not None:
                settings = unmasked(settings, lambda: self._settings(before))
                plain, sealed = self._sealer.seal(settings)
                allowed = self._limits_after(before, settings)
                revisions = 1
            await sql.change_carrier(
                turn.connection,
                carrier_id=carrier_id,
                name=name or before.name,
                settings=plain,
                sealed=sealed,
                revisions=revisions,
                now=turn.now,
                **asdict(_changed_limits(allowed, limits or {})),
                **self._of,
            )

    def _limits_after(self, before: CarrierRecord, settings: Settings) -> CarrierLimits:
        """Those of the new settings, except `max_lines` and `cps` that differ from what the old ones said."""
        told = self._limits_of(before.provider, settings)
        try:
            was = self._limits_of(before.provider, self._settings(before))
        except (
            Invalid,
            EnvironmentFault,
        ):  # settings that nothing can be made of any more: what stands was set by hand
            return _changed_limits(told, {"max_lines": before.limits.max_lines, "cps": before.limits.cps})
        by_hand = {
            name: getattr(before.limits, name)
            for name in ("max_lines", "cps")
            if getattr(before.limits, name) != getattr(was, name)
        }
        return _changed_limits(told, by_hand)

    async def set_default(self, carrier_id: int) -> None:
        """What a campaign gets that names none."""
        async with self._command() as turn:
            await self._live(turn, carrier_id)
            await self._make_default(turn, carrier_id)

    # --- switch off ------------------------------------------------------------------------------------------

    async def deactivate(self, carrier_id: int, reason: str = "") -> None:
        """Once this has returned nothing more is placed through it; calls in progress end normally."""
        async with self._command() as turn:
            carrier = await self._live(turn, carrier_id)
            await sql.deactivate_carrier(
                turn.connection, carrier_id=carrier_id, reason=reason, now=turn.now, **self._of
            )
            message = (
                f"the carrier '{carrier.name}' was switched off{': ' + reason if reason else ''}; nothing is placed"
            )
            stopped = await withdraw(turn, carrier_id, "carrier.deactivated", message)
        await self._wait_until_sent(stopped)

    async def reactivate(self, carrier_id: int) -> None:
        """Its campaigns go on."""
        async with self._command() as turn:
            carrier = await self._live(turn, carrier_id)
            await sql.reactivate_carrier(turn.connection, carrier_id=carrier_id, now=turn.now, **self._of)
            if carrier.inactive_since is not None:
                for row in await campaigns_on(turn, carrier_id):
                    await turn.log(row["id"], "carrier.reactivated", f"the carrier '{carrier.name}' was switched on")

    async def archive(self, carrier_id: int) -> None:
        """Gone for people; its attempts still name it. No other carrier becomes the default.

        Raises Conflict while a campaign could call through it, NotFound.
        """
        async with self._command() as turn:
            carrier = await self._live(turn, carrier_id)
            campaigns = await campaigns_on(turn, carrier_id)
            if using := [row for row in campaigns if not row["hidden"]]:
                first = using[0]
                raise Conflict(
                    f"'{carrier.name}' is used by campaign {first['id']} '{first['name']}', which is {first['state']}: "
                    "cancel it, or wait until it has ended"
                )
            await sql.archive_carrier(turn.connection, carrier_id=carrier_id, now=turn.now, **self._of)
            stopped = await withdraw(turn, carrier_id, "carrier.deleted", f"the carrier '{carrier.name}' was deleted")
            await sql.end_single_calls(turn.connection, carrier_id=carrier_id, now=turn.now, **self._of)
        await self._wait_until_sent(stopped)

    # --- parts -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _command(self) -> AsyncIterator[Turn]:
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            yield turn
            await sql.wake(turn.connection, now=turn.now, **self._of)

    async def _live(self, turn: Turn, carrier_id: int) -> CarrierRecord:
        return await live_carrier(turn.connection, self._organization_id, carrier_id)

    def _settings(self, carrier: CarrierRecord) -> dict[str, Any]:
        return self._sealer.opened(carrier.plain, carrier.sealed)

    async def _insert(
        self, turn: Turn, name: str, provider: str, plain: Settings, sealed: str, limits: CarrierLimits
    ) -> int:
        created = await sql.create_carrier(
            turn.connection,
            uuid=uuid4(),
            name=name,
            provider=provider,
            settings=plain,
            sealed=sealed,
            now=turn.now,
            **asdict(limits),
            **self._of,
        )
        return int(created)

    async def _free_name(self, turn: Turn, name: str, *, except_id: int | None = None) -> None:
        if await sql.carrier_named(turn.connection, name=name, except_id=except_id, **self._of) is not None:
            raise Conflict(f"A telephony configuration named '{name}' already exists in this organization.")

    async def _make_default(self, turn: Turn, carrier_id: int) -> None:
        await sql.clear_default_carrier(turn.connection, **self._of)
        await sql.set_default_carrier(turn.connection, carrier_id=carrier_id, now=turn.now, **self._of)

    async def _wait_until_sent(self, campaign_ids: Sequence[int]) -> None:
        for campaign_id in campaign_ids:
            await self._campaigns.wait_until_sent(campaign_id=campaign_id)


def _not_ready(carrier: CarrierRecord, reason: str) -> Conflict:
    return Conflict(f"'{carrier.name}' is not ready for outbound calls. {reason}")


def _changed_limits(limits: CarrierLimits, changes: Mapping[str, Any]) -> CarrierLimits:
    Pace(scope="carrier", cps=changes.get("cps"))  # raises Invalid for one that no turn could pace by
    return replace(limits, **changes)
