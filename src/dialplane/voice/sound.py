"""The sound of one call, 20 ms at a time: what is said goes out, what is heard comes in, both are recorded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from dialplane.voice.hearing import Endpointer
from dialplane.voice.machines.ears import Ears
from dialplane.voice.outgoing import FRAME_BYTES, SILENCE, Outgoing, is_audible
from dialplane.voice.recording import Recording
from dialplane.voice.wire import WireServer

FRAME_SECONDS: Final = 0.02
MOST_BEHIND: Final = 25  # frames; what is older than half a second is passed over
MOST_DIGITS: Final = 100  # pressed while nobody asked for them; of more, the first are forgotten


class Audio(Protocol):
    """A call's sound as the SIP stack has it: 8 kHz, mono, 16 bits. None of these waits, and none raises."""

    def read(self, max_bytes: int) -> bytes:
        """What has come since the last time."""

    def write(self, pcm: bytes) -> None:
        """Send this after what is still to be sent."""

    def flush_tx(self) -> None:
        """Forget what is still to be sent."""


class Gone(Exception):
    """The other side has hung up."""


class CallSound:
    """`tick` is called every 20 ms, by a clock that all calls of a process share."""

    def __init__(
        self,
        audio: Audio,
        recording: Recording | None,
        *,
        announced: bool = False,
        on_first_word: Callable[[float], None] = lambda _: None,
        ears: Ears | None = None,
    ) -> None:
        """announced: nobody is recorded before `announce` has returned; until then the recording is silent.

        on_first_word: is told once, as soon as something is said, how many seconds after the answer that is.
        ears: hear what the other side says, whatever else is going on.
        """
        self._ears = ears
        self._taken_over = False
        self._audio = audio
        self._recording = recording
        self._records = not announced
        self._announcing = False
        self._ticks = 0
        self._came = bytearray()
        self._outgoing = Outgoing(audio)
        self._saying: asyncio.Future[None] | None = None
        self._wire: WireServer | None = None
        self._hearing: tuple[Endpointer, int, asyncio.Future[tuple[bytes | str, float] | None]] | None = None
        self._began_at = 0.0
        self._digits: deque[tuple[str, float]] = deque(maxlen=MOST_DIGITS)
        self._gone = False
        self._has_spoken = False
        self._on_first_word = on_first_word

    @property
    def seconds(self) -> float:
        """Since the answer."""
        return self._ticks * FRAME_SECONDS

    # --- saying and hearing ----------------------------------------------------------------------------------

    async def say(self, pcm: bytes) -> float:
        """Return once it has been said, or a key was pressed: when it began, in seconds. Raises Gone."""
        self._check()
        return await self._say(pcm)

    async def _say(self, pcm: bytes) -> float:
        began, said = self.seconds, asyncio.get_running_loop().create_future()
        self._speaks()
        self._saying = said
        self._outgoing.add(pcm)
        self._outgoing.mark(partial(_done, said))
        try:
            await said
        finally:
            self._saying = None
            self._outgoing.clear()  # of who has been interrupted
        return began

    async def announce(self, pcm: bytes) -> float:
        """As `say`, to its end whatever is pressed: from then on the call is recorded."""
        self._announcing = True
        try:
            began = await self.say(pcm)
        finally:
            self._announcing = False
        self._records = True
        return began

    async def hear(self, silence_seconds: float) -> tuple[bytes | str, float] | None:
        """Sound of what was said, or the key that was pressed, and when it began; None for silence. Raises Gone."""
        self._check()
        if self._digits:
            return self._digits.popleft()
        heard: asyncio.Future[tuple[bytes | str, float] | None] = asyncio.get_running_loop().create_future()
        self._hearing = Endpointer(), self._ticks + round(silence_seconds / FRAME_SECONDS), heard
        try:
            return await heard
        finally:
            self._hearing = None

    async def open(self, folder: Path) -> tuple[Path, float]:
        """Where an agent takes and gives the sound by itself (see `wire`), and from when on. Raises Gone."""
        self._check()
        self._wire = WireServer(self._outgoing, folder)
        await self._wire.open()
        return self._wire.path, self.seconds

    async def take_over(self) -> None:
        """Whoever talks here gets Gone, as if they had hung up; return when a machine records. Raises Gone."""
        self._check()
        self._taken_over = True
        self._let_go()
        self._outgoing.clear()
        if self._ears is not None:
            await self._ears.may_speak()

    async def leave(self, pcm: bytes) -> float:
        """As `say`, for who has taken over; to its end whatever is pressed."""
        if self._gone:
            raise Gone
        self._announcing = True
        try:
            return await self._say(pcm)
        finally:
            self._announcing = False

    def press(self, digit: str) -> None:
        """The other side has pressed a key: what is being said stops."""
        if self._wire is not None:
            self._wire.pressed(digit)
            return
        pressed = digit, self.seconds
        if self._hearing is not None and not self._hearing[2].done():
            self._hearing[2].set_result(pressed)
        else:
            self._digits.append(pressed)
        if self._saying is not None and not self._announcing:
            self._outgoing.clear()

    def close(self) -> tuple[bool, str]:
        """The call has ended. The answer: whether there is a recording, and what was wrong with it."""
        self._gone = True
        self._let_go()
        if self._ears is not None:
            self._ears.close()
        if self._recording is None:
            return False, ""
        return self._recording.close(keep=self._records), self._recording.fault

    def _let_go(self) -> None:
        for waiting in (self._saying, self._hearing and self._hearing[2]):
            if waiting is not None and not waiting.done():
                waiting.set_exception(Gone())
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _check(self) -> None:
        if self._gone or self._taken_over:
            raise Gone

    # --- time ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Another 20 ms."""
        came, went = self._take(), self._outgoing.tick()
        self._ticks += 1
        if self._recording is not None:
            self._recording.add(*((went, came) if self._records else (SILENCE, SILENCE)))
        if self._ears is not None:
            self._ears.feed(came)
        if self._wire is not None:
            self._wire.heard(came)
            if not self._has_spoken and is_audible(went):
                self._speaks()
        if self._hearing is not None:
            self._listen(came)

    def _speaks(self) -> None:
        if not self._has_spoken:
            self._has_spoken = True
            self._on_first_word(self.seconds)

    def _take(self) -> bytes:
        """The next frame of the other side; silence where none has come, so that time goes on for who listens."""
        self._came += self._audio.read(FRAME_BYTES * MOST_BEHIND)
        del self._came[: max(0, len(self._came) - FRAME_BYTES * MOST_BEHIND)]
        frame = bytes(self._came[:FRAME_BYTES])
        del self._came[:FRAME_BYTES]
        return frame.ljust(FRAME_BYTES, b"\0")

    def _listen(self, frame: bytes) -> None:
        assert self._hearing is not None
        endpointer, until, heard = self._hearing
        if heard.done():
            return
        was_speaking = endpointer.speaking
        said = endpointer.feed(frame)
        if endpointer.speaking and not was_speaking:
            self._began_at = max(0.0, self.seconds - 0.3)
        if said is not None:
            heard.set_result((said, self._began_at))
        elif self._ticks >= until and not endpointer.speaking:
            heard.set_result(None)


def _done(said: asyncio.Future[None]) -> None:
    if not said.done():
        said.set_result(None)
