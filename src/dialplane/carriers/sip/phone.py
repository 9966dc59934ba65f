"""`python -m dialplane.carriers.sip.phone`: a SIP stack in a process of its own, which JSON lines speak to.

In: the trunk first, then dial, hang_up, say, announce, leave_message, hear, open_sound, transfer, leave. Out: ready,
sent, unsent, unclear, ringing, answered, answered_by, closed, said, heard, opened, transferred, gone, failed. It hangs
up all its calls and ends when its standard input does. A signal that goes to everybody does not end it: the worker,
which gets it too, lets its calls come to their end first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import traceback
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, cast

from baresip import (
    Account,
    BaresipError,
    Call,
    CommandTimeout,
    Config,
    Event,
    Runtime,
    StackEvent,
    StaleHandleError,
    UserAgent,
)

from dialplane.carriers.sip import marks, trust
from dialplane.carriers.sip.talk import Line, StackAudio, Talk
from dialplane.carriers.sip.trunk import Trunk
from dialplane.voice.child import Worker
from dialplane.voice.machines import voicing
from dialplane.voice.machines.ears import Ears
from dialplane.voice.recording import Recording
from dialplane.voice.sound import FRAME_SECONDS, CallSound, Gone

SOUNDLESS_SECONDS: Final = 3.0  # from the answer on; then it has agreed on no sound
NO_RESPONSE_SECONDS: Final = 33.0  # the stack itself gives up after 32 (RFC 3261, timer B) unless something has come
PARTING_SECONDS: Final = NO_RESPONSE_SECONDS + 2
REGISTERED_SECONDS: Final = 600
TRANSFER_SECONDS: Final = 60.0  # within which the trunk has to say what became of it
TRANSFERRED: Final = "Call transfered"  # the stack's own words, and below ours
HANDED_OVER: Final = "transferred to another number"


class Phone:
    def __init__(self, trunk: Trunk, runtime: Runtime, tell: Callable[..., None]) -> None:
        self._trunk = trunk
        self._tell = tell
        self._runtime = runtime
        self._agents: dict[str, asyncio.Task[UserAgent]] = {}  # SIP identities, by the number that is shown
        self._lines: dict[str, Line] = {}
        self._talk = Talk(trunk, self._lines, tell)
        self._by_handle: dict[int, Line] = {}
        self._early: defaultdict[int, list[StackEvent]] = defaultdict(list)
        self._dialling = 0
        self._work: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self.folder: Path | None = None  # of recordings and sounds
        runtime.subscribe(self._heard_of)

    def obey(self, order: Mapping[str, Any]) -> None:
        does = {
            "dial": self._dial,
            "hang_up": self._hang_up,
            "say": self._talk.say,
            "announce": self._talk.announce,
            "leave_message": self._talk.leave_message,
            "hear": self._talk.hear,
            "open_sound": self._talk.open_sound,
            "transfer": self._transfer,
        }[order["do"]]
        self._spawn(does(order))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # --- calls -----------------------------------------------------------------------------------------------

    async def _dial(self, order: Mapping[str, Any]) -> None:
        name, self.folder = order["call"], Path(order["folder"])
        recording = self.folder / f"{name}.wav" if order["record"] else None
        line = self._lines[name] = Line(name, recording, order["announced"], order["machines"])
        line.mark = marks.mark(name)
        self._dialling += 1
        try:
            agent = await self._agent(order["from"])
            if line.listens:
                await asyncio.to_thread(voicing.load)  # now, while nobody waits for sound
            if line.unwanted:
                return self._unsent(line, "it was hung up before it was sent")
            line.dialled_at = asyncio.get_running_loop().time()
            line.call = await agent.dial(order["to"], headers=order["headers"])
        except CommandTimeout as fault:
            return self._unsent(line, str(fault), told="unclear")
        except (BaresipError, ValueError) as fault:
            return self._unsent(line, str(fault))
        finally:
            self._dialling -= 1
        line.call.on_dtmf(lambda digit: line.sound.press(digit.digit) if line.sound else None)
        self._by_handle[line.call.handle] = line
        self._tell(told="sent", call=name)
        for event in self._early.pop(line.call.handle, ()):
            self._happened(line, event)
        if not self._dialling:
            self._early.clear()
        if line.unwanted:
            await self._end(line)
        return None

    def _unsent(self, line: Line, why: str, *, told: str = "unsent") -> None:
        self._gone(line, over=told == "unsent")
        self._tell(told=told, call=line.name, why=why)

    def _gone(self, line: Line, *, over: bool = True) -> None:
        """over: nothing of it is left in the stack either."""
        self._lines.pop(line.name, None)
        if over and line.mark is not None:
            os.close(line.mark)
        if line.call is not None:
            self._by_handle.pop(line.call.handle, None)
        if not self._lines:
            self._empty.set()

    async def _agent(self, number: str) -> UserAgent:
        if number not in self._agents:
            self._agents[number] = asyncio.create_task(self._new_agent(number))
        try:
            return await asyncio.shield(self._agents[number])
        except BaresipError:
            self._agents.pop(number, None)  # the next call may have more luck
            raise

    async def _new_agent(self, number: str) -> UserAgent:
        return await self._identity(self._trunk.from_user or self._trunk.written(number))

    async def register(self) -> None:
        """Once for all numbers; the stack does it again in time. Raises RegistrationError."""
        self._registered = await self._identity(self._trunk.registers_as, reg_interval=REGISTERED_SECONDS)
        await self._registered.register()

    async def _identity(self, user: str, *, reg_interval: int = 0) -> UserAgent:
        trunk = self._trunk
        account = Account(
            user=user,
            domain=f"{trunk.host}:{trunk.port}",
            password=trunk.password,
            auth_user=trunk.auth_user or trunk.user or None,
            reg_interval=reg_interval,
            transport=cast(Any, trunk.transport),
            audio_codecs=trunk.codecs,
            registrar=trunk.route,
            extra_params=("mediaenc=srtp-mand",) if trunk.media_encryption == "srtp" else (),
        )
        name = f'"{trunk.display_name}" ' if trunk.display_name else ""
        agent = await UserAgent.create(self._runtime, name + account.aor(), transfer_policy="reject")
        agent.on_incoming(lambda call: self._spawn(_refused(call)))
        return agent

    def _heard_of(self, event: StackEvent) -> None:
        """What happens to a call may be told before the one who dials it has its name."""
        line = self._by_handle.get(event.call)
        if line is not None:
            self._happened(line, event)
        elif event.call and self._dialling:
            self._early[event.call].append(event)

    def _happened(self, line: Line, event: StackEvent) -> None:
        if event.event in (Event.CALL_RINGING, Event.CALL_PROGRESS):
            line.has_rung = True
            self._tell(told="ringing", call=line.name, call_id=event.call_id)
            if line.unwanted:
                self._spawn(self._drop(line))
        elif event.event is Event.CALL_ESTABLISHED and line.sound is None:
            line.has_rung = True
            if line.unwanted:
                self._spawn(self._drop(line))
                return
            assert line.call is not None
            line.audio = StackAudio(line.call.audio)
            recording = Recording(line.recording) if line.recording else None
            line.sound = CallSound(
                line.audio,
                recording,
                announced=line.announced,
                on_first_word=lambda at: self._tell(told="speaking", call=line.name, at=at),
                ears=self._ears(line.name) if line.listens else None,
            )
            self._tell(told="answered", call=line.name, call_id=event.call_id)
        elif event.event is Event.CALL_CLOSED:
            self._gone(line)
            if line.transfer is not None and event.text == TRANSFERRED:
                # Before the end, which ends all.
                self._tell(told="transferred", call=line.name, id=line.transfer, done=True)
            recorded, fault = line.sound.close() if line.sound is not None else (False, "")
            self._tell(
                told="closed",
                call=line.name,
                call_id=event.call_id,
                text=HANDED_OVER if event.text == TRANSFERRED else event.text or "",
                soundless=line.soundless,
                recorded=recorded,
                fault=fault,
            )

    def _ears(self, name: str) -> Ears:
        return Ears(self._talk.phrases, lambda value: self._tell(told="answered_by", call=name, value=value))

    async def _hang_up(self, order: Mapping[str, Any]) -> None:
        line = self._lines.get(order["call"])
        if line is not None and not line.unwanted:
            line.unwanted = True
            await self._end(line)

    async def _end(self, line: Line) -> None:
        """At once where it has rung. Before any response no CANCEL may go out (RFC 3261 section 9.1): the stack would
        forget the call, and a telephone that rings later would never be told.
        """
        if line.call is None:
            return  # `_dial` comes back here
        if not line.has_rung:
            # By then the stack has given up, or something has come that it does not tell, such as 100 Trying.
            await asyncio.sleep(line.dialled_at + NO_RESPONSE_SECONDS - asyncio.get_running_loop().time())
        if line.name in self._lines:
            await self._drop(line)

    async def _drop(self, line: Line) -> None:
        assert line.call is not None
        with suppress(BaresipError):  # the other side was first: its end is on its way here
            await line.call.hangup()

    async def _transfer(self, order: Mapping[str, Any]) -> None:
        await self._talk.answer(order, self._handed_over(order["call"], order["to"], order["id"]))

    async def _handed_over(self, name: str, number: str, asked: int) -> dict[str, Any]:
        line = self._lines.get(name)
        if line is None or line.call is None:
            raise Gone
        line.transfer = asked
        try:
            await line.call.transfer(self._trunk.address(number), timeout=TRANSFER_SECONDS)
        except StaleHandleError:
            raise Gone from None
        except BaresipError:
            return {"told": "transferred", "done": False}
        finally:
            line.transfer = None
        return {"told": "transferred", "done": True}  # which it has been told: this one comes after the end

    # --- time ------------------------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Every 20 ms all calls. What comes late is made up for, so that no call drifts."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for line in list(self._lines.values()):
                if line.sound is not None:
                    self._tick(line, line.sound)
            due += FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _tick(self, line: Line, sound: CallSound) -> None:
        sound.tick()
        assert line.audio is not None
        if not line.soundless and not line.audio.has_been and sound.seconds >= SOUNDLESS_SECONDS:
            line.soundless = True
            self._spawn(self._drop(line))

    async def leave(self) -> None:
        for name in list(self._lines):
            self._spawn(self._hang_up({"call": name}))
        if self._lines:
            self._empty.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(PARTING_SECONDS):
                    await self._empty.wait()


async def _refused(call: Call) -> None:
    """Nobody is called here."""
    with suppress(BaresipError):
        await call.reject()


def _without_sound(pumping: asyncio.Task[None]) -> None:
    """No call would have any from here on: better none of them, and another process."""
    if not pumping.cancelled():
        traceback.print_exception(pumping.exception())
        os._exit(1)


async def main() -> None:
    worker = Worker()
    orders = worker.orders()
    start = await anext(orders)
    trunk = Trunk.from_settings(start["trunk"])
    marks.sweep()
    runtime = Runtime()
    authorities = NamedTemporaryFile(prefix="dialplane-authorities-")  # noqa: SIM115  (until the process ends)
    config = Config(
        net_interface=trunk.local_address,
        max_concurrent_calls=None,
        rtp_timeout=start["rtp_timeout_seconds"],
        extra_config_text=trust.directives(trunk, authorities),
    )
    try:
        await runtime.start(config)
    except BaresipError as fault:
        return worker.tell(told="failed", why=str(fault))
    phone = Phone(trunk, runtime, worker.tell)
    if trunk.register:
        try:
            await phone.register()
        except BaresipError as fault:
            worker.tell(told="failed", why=f"{trunk.hop.host} does not register {trunk.registers_as}: {fault}")
            await runtime.close()
            return None
    runtime.on_dead = lambda: os._exit(1)  # whoever started this one starts another
    pumping = asyncio.create_task(phone.pump())
    pumping.add_done_callback(_without_sound)
    worker.tell(told="ready")
    dismissed = False
    async for order in orders:
        if dismissed := order["do"] == "leave":
            break
        phone.obey(order)
    await phone.leave()
    pumping.cancel()
    if phone.folder is not None and not dismissed:
        shutil.rmtree(phone.folder, ignore_errors=True)  # the worker has died, and nobody will ask for them
    await runtime.close()
    return None


if __name__ == "__main__":
    asyncio.run(main())
