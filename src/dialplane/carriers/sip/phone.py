"""`python -m dialplane.carriers.sip.phone`: a SIP stack in a process of its own, which JSON lines speak to.

In: open, dial, hang_up, say, hear. Out: ready, sent, unsent, ringing, answered, closed, said, heard, gone, failed. It
hangs up all its calls and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dialplane.carriers.sip.trunk import Trunk
from dialplane.voice.hearing import HearingFailed, Listener
from dialplane.voice.recording import Recording
from dialplane.voice.sound import FRAME_SECONDS, CallSound, Gone
from dialplane.voice.speech import Speaker, SpeechFailed

EXPOSED: Final = ("Reason", "Retry-After", "X-Twilio-Error", "Warning")
PARTING_SECONDS: Final = 2.0  # for BYE and CANCEL to be answered before the process leaves


@dataclass(slots=True)
class Line:
    """A call here, and its sound once it is answered."""

    name: str
    call: Any
    recording: Path | None
    sound: CallSound | None = None


class Phone:
    def __init__(self, trunk: Trunk, runtime: Any) -> None:
        self._trunk = trunk
        self._runtime = runtime
        self._speaker = Speaker(trunk.speech)
        self._listener = Listener(trunk.hearing)
        self._agents: dict[str, Any] = {}  # SIP identities, by the number that is shown
        self._lines: dict[str, Line] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()

    def obey(self, order: Mapping[str, Any]) -> None:
        does = {"dial": self._dial, "hang_up": self._hang_up, "say": self._say, "hear": self._hear}[order["do"]]
        task = asyncio.get_running_loop().create_task(does(order))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # --- calls -----------------------------------------------------------------------------------------------

    async def _dial(self, order: Mapping[str, Any]) -> None:
        from baresip import BaresipError  # noqa: PLC0415  (the extra `sip`)

        name = order["call"]
        try:
            agent = await self._agent(order["from"])
            call = await agent.dial(order["to"], headers=order["headers"])
        except (BaresipError, ValueError) as fault:
            return tell(told="unsent", call=name, why=str(fault))
        line = Line(name, call, Path(order["record"]) if order["record"] else None)
        self._lines[name] = line
        call.on(lambda event: self._happened(line, event))
        call.on_dtmf(lambda digit: line.sound.press(digit.digit) if line.sound else None)
        return tell(told="sent", call=name)

    async def _agent(self, number: str) -> Any:
        from baresip import Account, UserAgent  # noqa: PLC0415

        if number not in self._agents:
            trunk = self._trunk
            account = Account(
                user=trunk.from_user or trunk.written(number),
                domain=f"{trunk.host}:{trunk.port}",
                password=trunk.password,
                auth_user=trunk.auth_user or trunk.user or None,
                reg_interval=600 if trunk.register else 0,
                transport=trunk.transport,  # type: ignore[arg-type]
                audio_codecs=trunk.codecs,
                registrar=trunk.outbound_proxy or None,
            )
            name = f'"{trunk.display_name}" ' if trunk.display_name else ""
            self._agents[number] = agent = await UserAgent.create(self._runtime, name + account.aor())
            if trunk.register:
                await agent.register()
        return self._agents[number]

    def _happened(self, line: Line, event: Any) -> None:
        from baresip import Event  # noqa: PLC0415

        if event.event in (Event.CALL_RINGING, Event.CALL_PROGRESS):
            tell(told="ringing", call=line.name, call_id=event.call_id)
        elif event.event is Event.CALL_ESTABLISHED and line.sound is None:
            line.sound = CallSound(line.call.audio, Recording(line.recording) if line.recording else None)
            tell(told="answered", call=line.name, call_id=event.call_id)
        elif event.event is Event.CALL_CLOSED and line.name in self._lines:
            del self._lines[line.name]
            recorded = line.sound is not None and line.sound.close()
            if not self._lines:
                self._empty.set()
            tell(
                told="closed",
                call=line.name,
                call_id=event.call_id,
                text=event.text or "",
                headers=dict(event.headers),
                recorded=recorded,
            )

    async def _hang_up(self, order: Mapping[str, Any]) -> None:
        from baresip import StaleHandleError  # noqa: PLC0415

        if (line := self._lines.get(order["call"])) is not None:
            with suppress(StaleHandleError):  # the other side was first: its end is on its way here
                await line.call.hangup()

    # --- sound -----------------------------------------------------------------------------------------------

    async def _say(self, order: Mapping[str, Any]) -> None:
        await self._answer(order, self._said(order["call"], order["text"]))

    async def _said(self, name: str, text: str) -> dict[str, Any]:
        pcm = await self._speaker.spoken(text)
        return {"told": "said", "at": await self._sound(name).say(pcm)}

    async def _hear(self, order: Mapping[str, Any]) -> None:
        await self._answer(order, self._heard(order["call"], order["expected"]))

    async def _heard(self, name: str, expected: list[str]) -> dict[str, Any]:
        heard = await self._sound(name).hear(self._trunk.hearing.silence_seconds)
        if heard is None:
            return {"told": "heard", "text": None, "at": 0.0}
        said, at = heard
        text = said if isinstance(said, str) else await asyncio.to_thread(self._listener.understood, said, expected)
        return {"told": "heard", "text": text, "at": at}

    async def _answer(self, order: Mapping[str, Any], work: Any) -> None:
        try:
            answer = await work
        except Gone:
            answer = {"told": "gone"}
        except (SpeechFailed, HearingFailed) as fault:
            answer = {"told": "failed", "why": str(fault)}
        tell(call=order["call"], id=order["id"], **answer)

    def _sound(self, name: str) -> CallSound:
        line = self._lines.get(name)
        if line is None or line.sound is None:
            raise Gone
        return line.sound

    async def pump(self) -> None:
        """Every 20 ms all calls. What comes late is made up for, so that no call drifts."""
        from baresip import AudioNotActive, AudioRestarted  # noqa: PLC0415

        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for line in list(self._lines.values()):
                if line.sound is not None:
                    # The next tick finds the new streams, or the end of the call is on its way.
                    with suppress(AudioNotActive, AudioRestarted):
                        line.sound.tick()
            due += FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def leave(self) -> None:
        if not self._lines:
            return
        for name in list(self._lines):
            await self._hang_up({"call": name})
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_SECONDS):
                await self._empty.wait()


def tell(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


async def main() -> None:
    from baresip import BaresipError, Config, Runtime  # noqa: PLC0415

    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    trunk = Trunk.from_settings(json.loads(await reader.readline())["trunk"])
    runtime = Runtime()
    try:
        await runtime.start(
            Config(net_interface=trunk.local_address, max_concurrent_calls=None, expose_headers=EXPOSED, rtp_timeout=60)
        )
    except BaresipError as fault:
        return tell(told="failed", why=str(fault))
    phone = Phone(trunk, runtime)
    runtime.on_dead = lambda: os._exit(1)  # whoever started this one starts another
    pumping = asyncio.create_task(phone.pump())
    tell(told="ready")
    while line := await reader.readline():
        phone.obey(json.loads(line))
    await phone.leave()
    pumping.cancel()
    await runtime.close()
    return None


if __name__ == "__main__":
    asyncio.run(main())
