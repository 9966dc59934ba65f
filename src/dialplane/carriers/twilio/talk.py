"""The streams of one account's calls: opened, spoken and heard on, recorded."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, Final

import structlog

from dialplane.carriers.callbacks import Messages
from dialplane.carriers.sound_files import SoundFiles
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.call import LAST_WORD, TwilioCall, TwilioLine, Voice
from dialplane.carriers.twilio.signing import is_stream_token
from dialplane.carriers.twilio.stream import StreamAudio
from dialplane.core.attempt import Order
from dialplane.core.recording import RecordingMode
from dialplane.ports import Files
from dialplane.voice.apart import ListenerApart
from dialplane.voice.recording import Recording
from dialplane.voice.settings import FLITE
from dialplane.voice.sound import FRAME_SECONDS, CallSound
from dialplane.voice.speech import Speaker

START_SECONDS: Final = 5.0  # for a stream to say whose it is

log = structlog.get_logger()


class Talk:
    def __init__(self, account: Account, files: Files) -> None:
        self._account = account
        self._files = SoundFiles(files, as_flac=account.recording_format == "flac")
        self._listener = ListenerApart(account.hearing)
        self._voice = Voice(Speaker(account.speech), self._listener, account.hearing.silence_seconds, self._files)
        self._talking: set[TwilioCall] = set()
        self._pumping: asyncio.Task[None] | None = None

    def missing(self) -> str | None:
        """What has to be installed before anybody can be talked to."""
        if find_spec("pocketsphinx") is None:
            return "not installed: pocketsphinx; pip install 'dialplane[voice]' brings what is needed"
        if self._account.record and self._account.recording_format == "flac" and find_spec("soundfile") is None:
            return "not installed: soundfile; pip install 'dialplane[flac]' brings it"
        if self._account.speech.engine == FLITE and shutil.which("flite") is None:
            return "the program flite is not installed (on Debian: apt install flite); or name a speech service"
        return None

    async def begins(self, call: TwilioCall, messages: Messages) -> bool:
        """Whether this is the call's stream: the first that brings the call's token."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while (start := _read(await messages.receive())) is not None and start.get("event") != "start":
                    pass
            said = start["start"] if start is not None else {}
            token, sid, stream_sid = said["customParameters"]["token"], str(said["callSid"]), str(said["streamSid"])
        except (TimeoutError, KeyError, TypeError):
            token, sid, stream_sid = "", "", ""
        is_ours = is_stream_token(self._account.auth_token, call.name, str(token)) and call.sid in (None, sid)
        if not is_ours or call.sound is not None or call.is_over:
            log.warning("twilio.stream_refused", attempt_id=call.order.attempt_id)
            return False
        call.sid = sid
        call.audio = StreamAudio(stream_sid, messages.send)
        path = self._files.recording(call.order) if self._is_recorded(call.order) else None
        call.sound = CallSound(
            call.audio,
            Recording(path) if path is not None else None,
            announced=call.order.recording.mode is RecordingMode.ANNOUNCED,
            on_first_word=lambda at: setattr(call, "first_word_seconds", at),
        )
        self._talking.add(call)
        if self._pumping is None:
            self._pumping = asyncio.create_task(self._pump())
        return True

    async def goes_on(self, call: TwilioCall, messages: Messages) -> None:
        """Until it is over."""
        assert call.sound is not None
        assert call.audio is not None
        try:
            async for text in messages:
                match _read(text):
                    case {"event": "media", "media": {"payload": str(payload)}}:
                        call.audio.came(payload)
                    case {"event": "dtmf", "dtmf": {"digit": str(digit)}}:
                        call.sound.press(digit)
                    case {"event": "mark", "mark": {"name": name}} if name == LAST_WORD:
                        call.heard.set()
                    case {"event": "stop"}:
                        return
                if call.is_over:
                    return
        finally:
            self._talking.discard(call)

    async def _pump(self) -> None:
        """Every 20 ms all calls, as long as there are any. What comes late is made up for, so that no call drifts."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._talking:
            for call in list(self._talking):
                if call.sound is not None and call.recorded is None:
                    call.sound.tick()
            due += FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
        self._pumping = None

    def line(
        self,
        call: TwilioCall,
        *,
        transfer: Callable[[TwilioCall, str], Awaitable[bool]],
        hang_up: Callable[[TwilioCall], Awaitable[None]],
    ) -> TwilioLine:
        return TwilioLine(
            call, self._voice, is_recorded=self._is_recorded(call.order), transfer=transfer, hang_up=hang_up
        )

    def _is_recorded(self, order: Order) -> bool:
        return self._account.record and order.recording.mode is not RecordingMode.OFF

    async def kept_recording(self, call: TwilioCall) -> str:
        try:
            return await self._files.keep_recording(call.order)
        except Exception as fault:
            # The call has been made, and what came of it must be told whatever the disk says.
            log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=str(fault))
            return ""
        finally:
            await self._files.drop_recording(call.order)

    async def close(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
        await self._listener.close()
        await self._files.close()


def _read(message: str | None) -> dict[str, Any] | None:
    """None: no more comes, or what came is no message."""
    try:
        read = json.loads(message or "null")
    except ValueError:
        return None
    return read if isinstance(read, dict) else None
