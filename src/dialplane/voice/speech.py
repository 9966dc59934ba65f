"""text -> sound that a call can play"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Final

from dialplane.errors import Invalid
from dialplane.voice.settings import FLITE, Speech
from dialplane.voice.wav import sound_of

TIMEOUT_SECONDS: Final = 20.0
KEPT: Final = 512  # texts; most of a campaign's are the same for everybody
SOUNDS_KEPT: Final = 32  # recordings; one of five minutes has 5 MB


class SpeechFailed(Exception):
    """No sound was made of this text; it says why."""


class Speaker:
    """Makes each text once, and keeps the latest."""

    def __init__(self, settings: Speech) -> None:
        self._settings = settings
        self._made: OrderedDict[str, asyncio.Task[bytes]] = OrderedDict()

    async def spoken(self, text: str) -> bytes:
        """8 kHz, mono, 16 bits, little endian. Raises SpeechFailed."""
        if text not in self._made:
            self._made[text] = asyncio.create_task(self._make(text))
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(text)
        try:
            return await asyncio.shield(self._made[text])
        except SpeechFailed:
            self._made.pop(text, None)  # the next one who wants it may have more luck
            raise

    async def _make(self, text: str) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                made = await (
                    _flite(text, self._settings) if self._settings.engine == FLITE else _http(text, self._settings)
                )
        except TimeoutError:
            raise SpeechFailed(f"no speech within {TIMEOUT_SECONDS:g} s") from None
        return await asyncio.to_thread(_pcm, made)


async def _flite(text: str, settings: Speech) -> bytes:
    program = shutil.which("flite")
    if program is None:
        raise SpeechFailed("the program flite is not installed")
    with tempfile.TemporaryDirectory(prefix="dialplane-") as folder:
        words, sound = Path(folder) / "words", Path(folder) / "sound.wav"
        words.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            program, "-voice", settings.voice or "rms", "-f", str(words), "-o", str(sound),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode or not sound.exists():
            raise SpeechFailed(f"flite: {complaints.decode(errors='replace').strip() or process.returncode}")
        return sound.read_bytes()


async def _http(text: str, settings: Speech) -> bytes:
    import httpx2  # noqa: PLC0415  (a tenth of a second, which flite saves)

    body = {"model": settings.model, "voice": settings.voice, "input": text, "response_format": "wav"}
    headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await client.post(settings.url, json=body, headers=headers)
    except httpx2.HTTPError as fault:
        raise SpeechFailed(f"the speech service cannot be reached: {fault or type(fault).__name__}") from fault
    if answer.status_code != 200:
        raise SpeechFailed(f"the speech service answered {answer.status_code}")
    return answer.content


def _pcm(sound: bytes) -> bytes:
    """A WAV file -> what a call plays. Raises SpeechFailed."""
    try:
        return sound_of(sound)
    except Invalid as fault:
        raise SpeechFailed(f"what came {fault}") from fault


@lru_cache(SOUNDS_KEPT)
def recorded(path: Path) -> bytes:
    """A recording in place of speech, as a call plays it. Raises SpeechFailed."""
    try:
        return sound_of(path.read_bytes())
    except (OSError, Invalid) as fault:
        raise SpeechFailed(f"the sound {path.name} cannot be played: {fault}") from fault
