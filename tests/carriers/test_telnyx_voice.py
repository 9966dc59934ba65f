"""Sound over Telnyx's media stream, where it is another than Twilio's."""

from __future__ import annotations

import base64

import pytest

from dialplane.carriers.stream import HELD_BACK, StreamAudio
from dialplane.voice.outgoing import FRAME_BYTES
from dialplane.voice.ulaw import from_ulaw, to_ulaw

pytestmark = pytest.mark.asyncio


async def test_sound_that_comes_in_disorder_is_heard_in_order() -> None:
    """Telnyx does not promise the order of its media messages."""
    frames = [bytes(to_ulaw(bytes([0, each]) * (FRAME_BYTES // 2))) for each in range(1, 7)]
    audio = StreamAudio(lambda _: None)
    for place in (1, 0, 2, 4, 3, 5):
        audio.came(base64.b64encode(frames[place]).decode(), place)

    heard = b"".join(audio.read(FRAME_BYTES) for _ in frames)

    assert heard == b"".join(map(from_ulaw, frames))
    audio.came(base64.b64encode(frames[0]).decode(), 3)
    assert audio.read(FRAME_BYTES) == b"", "what comes after its time is passed over"
    assert HELD_BACK == 3 * FRAME_BYTES


async def test_sound_goes_out_in_whole_frames() -> None:
    """Telnyx takes no less than 20 ms at a time."""
    sent: list[str] = []
    audio = StreamAudio(sent.append)
    audio.write(bytes(FRAME_BYTES + 100))
    audio.write(bytes(100))
    audio.close()
    await audio.played()

    assert [len(base64.b64decode(text.split('"payload": "')[1].split('"')[0])) for text in sent[:2]] == [160, 160]
    assert '"mark"' in sent[2] and len(sent) == 3
