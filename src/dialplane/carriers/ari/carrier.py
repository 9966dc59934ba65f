"""order -> POST channels -> events of a Stasis application, and sound at a socket -> events"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from secrets import token_hex
from typing import Final
from uuid import uuid4

import structlog

from dialplane.carriers.ari.api import AriApi
from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.ari.audio import AudioServer, SocketAudio
from dialplane.carriers.ari.listening import Event, Listening
from dialplane.carriers.ari.outcomes import CUT_OFF, FORGOTTEN, NO_SOUND, seen, seen_in
from dialplane.carriers.sound_call import End, SoundCall
from dialplane.carriers.sound_carrier import Seen, SoundCarrier
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierUnavailable, PlacementUnknown
from dialplane.ports import Clock, Files, Lookup

ASK_SECONDS: Final = 5.0  # for what places no call
SOUND_SECONDS: Final = 5.0  # from the answer until the sound has come
MOVE_SECONDS: Final = 5.0  # from the answer until the call has come to this process
ON_ITS_WAY_SECONDS: Final = 0.5  # for the end of a call that has just gone
CLOSE_SECONDS: Final = 1.0  # for calls that have been hung up to clear away what was theirs
SPARE_SECONDS: Final = 60.0  # after which Asterisk itself ends a call that nobody has ended
APP_VARIABLE: Final = "dialplane_app"
SOUND: Final = "-sound"  # after the call's id: the channel of its sound

log = structlog.get_logger()


class AriCarrier(SoundCarrier):
    """Implements ports.Carrier. The channel's id is the attempt's uuid, so that Asterisk places it once."""

    nobody_there = NO_SOUND

    def __init__(self, asterisk: Asterisk, clock: Clock, files: Files) -> None:
        super().__init__(asterisk, clock, files)
        self._asterisk = asterisk
        self._app = f"dialplane-{token_hex(8)}"
        self._api = AriApi(asterisk)
        self._listening = self._listen_to(self._app, reclaims=True)
        self._inherited: dict[str, Listening] = {}  # applications of workers that have died
        self._audio = AudioServer(asterisk.url, asterisk.local_address)
        self._taken_over: set[str] = set()
        self._entering: dict[str, asyncio.Event] = {}  # channels of sound on their way into the application
        self._talks: dict[str, asyncio.Task[None]] = {}

    def _listen_to(self, app: str, *, reclaims: bool) -> Listening:
        return Listening(self._asterisk, app, self._told, self._ask_again, reclaims=reclaims)

    async def probe(self) -> str | None:
        if (fault := self._asterisk.missing() or await self._api.fault()) is not None:
            return fault
        try:
            await self._listening.ready(ASK_SECONDS)
            await self._audio.address()
        except CarrierUnavailable as fault:
            return str(fault)
        return None

    # --- what Asterisk is asked ------------------------------------------------------------------------------

    async def _create(self, call: SoundCall, seconds: float) -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await self._listening.ready(seconds)
        try:
            await self._api.originate(call.name, until - loop.time(), self._request(call))
        except PlacementUnknown:
            if not await self._is_there(call, until):
                raise
        return call.name

    def _request(self, call: SoundCall) -> dict[str, object]:
        longest = self.limits.ring_timeout_seconds + self.limits.max_call_seconds + SPARE_SECONDS
        return {
            "endpoint": self._asterisk.dialled(call.order.to_number),
            "callerId": self._asterisk.written(call.order.from_number),
            "timeout": round(self.limits.ring_timeout_seconds),
            "app": self._app,
            "variables": {APP_VARIABLE: self._app, "TIMEOUT(absolute)": str(round(longest))},
        }

    async def _is_there(self, call: SoundCall, until: float) -> bool:
        """A channel of this id is this call, whoever asked for it, and whatever the answer was."""
        try:
            async with asyncio.timeout_at(until):
                found = await self._look(call)
        except (CarrierUnavailable, TimeoutError):
            return False
        if isinstance(found, Seen):
            self._advance(call, found)
        return isinstance(found, Seen)

    async def _look(self, call: SoundCall) -> Seen | Lookup:
        before = await self._api.state(call.name)
        app = await self._api.variable(call.name, APP_VARIABLE)
        if before is None or app is None:
            return await self._gone(call)
        await self._listening.ready(ASK_SECONDS)
        if app != self._app and call.name not in self._taken_over:
            return await self._take_over(call, app, before)
        return await self._followed_state(call)

    async def _followed_state(self, call: SoundCall) -> Seen | Lookup:
        """What it is doing, once this process hears of it."""
        await self._api.subscribe(self._app, call.name)
        if (state := await self._api.state(call.name)) is None:
            return await self._gone(call)
        call.call_id = call.name
        return seen_in(state)

    async def _take_over(self, call: SoundCall, app: str, before: str) -> Seen | Lookup:
        """A call that another worker has placed. before: its state when it was first seen here."""
        self._taken_over.add(call.name)
        try:
            await self._inherit(app)
            found = await self._followed_state(call)
            if isinstance(found, Seen) and before == "Up":  # somebody was being talked to
                await self._api.drop_bridge(_bridge(call))
                return Seen(is_answered=True, no_sound=CUT_OFF)
            if isinstance(found, Seen) and found.is_answered:  # just now, perhaps before this process heard of it
                self._clock.spawn(self._fetch(call))
        except BaseException:
            self._taken_over.discard(call.name)
            raise
        return found

    async def _gone(self, call: SoundCall) -> Seen | Lookup:
        """Asterisk forgets a call as soon as it is over: of one that it accepted that much is certain."""
        if call.call_id is None:
            return Lookup.CANNOT_TELL
        await asyncio.sleep(ON_ITS_WAY_SECONDS)
        if call.answered_at is not None:
            return Seen(end=End(disposition=Disposition.ANSWERED, cause=FORGOTTEN))
        return Seen(end=End(disposition=Disposition.UNKNOWN, cause=FORGOTTEN))

    async def _inherit(self, app: str) -> None:
        """Asterisk hangs up on whoever answers while nobody listens to the application which the call was placed for.

        Several workers may inherit it, and the newest one hears of it: each fetches its own calls, by what it hears of
        the calls themselves. A worker that was only frozen takes it back. Nothing rings any more once it is let go.
        """
        if app not in self._inherited:
            self._inherited[app] = self._listen_to(app, reclaims=False)
            over = self._clock.now() + timedelta(seconds=self.limits.ring_timeout_seconds + SPARE_SECONDS)
            self._clock.call_at(over, lambda: self._clock.spawn(self._let_go(app)))
            await self._inherited[app].ready(ASK_SECONDS)

    async def _let_go(self, app: str) -> None:
        if (listening := self._inherited.pop(app, None)) is not None:
            await listening.close()

    async def _end_there(self, call: SoundCall) -> None:
        await self._api.hang_up(call.name)

    async def _hand_over(self, call: SoundCall, to_number: str) -> bool:
        context = self._asterisk.transfer_context
        return bool(context) and await self._api.hand_over(call.name, context, self._asterisk.written(to_number))

    def _forgotten(self, attempt: str) -> None:
        self._taken_over.discard(attempt)

    async def _close(self) -> None:
        if self._talks:
            _, late = await asyncio.wait(self._talks.values(), timeout=CLOSE_SECONDS)
            for talk in late:  # whose sound has not come yet
                talk.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for listening in (self._listening, *self._inherited.values()):
            await listening.close()
        await self._audio.close()
        await self._api.close()

    # --- what Asterisk tells ---------------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        channel = event.get("channel") or event.get("peer") or {}
        name, kind = str(channel.get("id")), event.get("type")
        is_start = kind == "StasisStart" and event.get("application") == self._app
        if is_start and name in self._entering:
            self._entering[name].set()
        elif kind == "ChannelLeftBridge" and name.endswith(SOUND):
            self._sound_left(name.removesuffix(SOUND), event)
        call = self._calls.get(name)
        if call is None or call.is_over:
            return
        call.call_id = call.name  # it has been placed, whatever the answer to the request was
        if is_start and name not in self._talks:
            talk = self._talks[name] = asyncio.create_task(self._converse(call))
            self._clock.spawn(_finished(talk))
        elif kind == "ChannelDtmfReceived" and call.sound is not None and call.talks:
            call.sound.press(str(event.get("digit")))
        was_answered = call.answered_at is not None
        self._advance(call, seen(event, call))
        if name in self._taken_over and call.answered_at is not None and not was_answered:
            self._clock.spawn(self._fetch(call))

    def _sound_left(self, name: str, event: Event) -> None:
        """While the call is still in the bridge: Asterisk has no codec for the two, or the socket is broken."""
        call = self._calls.get(name)
        if call is not None and not call.is_over and name in event["bridge"]["channels"]:
            log.warning("ari.sound_left", attempt_id=call.order.attempt_id)
            self._clock.spawn(self._leave(call))

    async def _ask_again(self) -> None:
        for call in [call for call in self._calls.values() if call.call_id is not None and not call.is_over]:
            self._clock.spawn(self._catch_up(call))

    async def _catch_up(self, call: SoundCall) -> None:
        try:
            if isinstance(found := await self._look(call), Seen):
                self._advance(call, found)
        except CarrierUnavailable as fault:
            log.warning("ari.not_asked_again", attempt_id=call.order.attempt_id, error=str(fault))

    async def _fetch(self, call: SoundCall) -> None:
        """Into this application, as soon as it is in the one of the worker that has died."""
        until = asyncio.get_running_loop().time() + MOVE_SECONDS
        while not call.is_over and asyncio.get_running_loop().time() < until:
            try:
                await self._api.move(call.name, self._app)
            except CarrierUnavailable:  # a moment too early
                await asyncio.sleep(0.05)
            else:
                return
        if not call.is_over:
            log.warning("ari.not_fetched", attempt_id=call.order.attempt_id)

    # --- sound -----------------------------------------------------------------------------------------------

    async def _converse(self, call: SoundCall) -> None:
        """From the answer until the sound is over."""
        try:
            async with asyncio.timeout(SOUND_SECONDS):
                audio = await self._connected(call)
        except (CarrierUnavailable, TimeoutError) as fault:
            why = str(fault) or "see local_address, and the firewall before it"
            self._advance(call, Seen(no_sound=f"{NO_SOUND}: {why}"))
        else:
            if call.is_over:
                audio.close()
            else:
                await self._talk_on(call, audio)
        finally:
            await self._clear_away(call)
            del self._talks[call.name]

    async def _talk_on(self, call: SoundCall, audio: SocketAudio) -> None:
        self._begin_talk(call, audio)
        longest = self._clock.now() + timedelta(seconds=self.limits.max_call_seconds)
        ring_off = self._clock.call_at(longest, lambda: self._clock.spawn(self._leave(call)))
        await audio.over.wait()
        ring_off()
        self._end_talk(call)

    async def _connected(self, call: SoundCall) -> SocketAudio:
        """The sound of the call, which is in a bridge with it from now on."""
        token, media, bridge = uuid4(), f"{call.name}{SOUND}", _bridge(call)
        coming, entered = self._audio.expect(token), asyncio.Event()
        self._entering[media] = entered
        try:
            address = await self._audio.address()
            await asyncio.gather(self._api.bridge(bridge), self._api.external_media(media, self._app, address, token))
            await asyncio.gather(coming, entered.wait())
            if not await self._api.join(bridge, (call.name, media)):
                raise CarrierUnavailable("Asterisk did not join the call and its sound")
            return coming.result()
        except BaseException:
            if coming.done() and not coming.cancelled():
                coming.result().close()
            raise
        finally:
            del self._entering[media]
            self._audio.forget(token)

    async def _clear_away(self, call: SoundCall) -> None:
        try:
            await self._api.drop_bridge(_bridge(call))
        except CarrierUnavailable as fault:
            log.warning("ari.bridge_left", attempt_id=call.order.attempt_id, error=str(fault))


def _bridge(call: SoundCall) -> str:
    return f"{call.name}-bridge"


async def _finished(talk: asyncio.Task[None]) -> None:
    await talk
