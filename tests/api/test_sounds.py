"""Sounds over HTTP: brought, listed, named by agents."""

from __future__ import annotations

import io
import wave
from typing import Any

import pytest
from people import app_of
from site_of import Site

from dialplane.voice.sounds import MOST_BYTES, key_of

pytestmark = pytest.mark.asyncio


def wav(seconds: float, rate: int = 8000, *, channels: int = 1, width: int = 2) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(range(1, 1 + width * channels)) * round(seconds * rate))
    return held.getvalue()


async def bring(site: Site, content: bytes, *, status: int = 201, of: str = "default", title: str = "hello.wav") -> Any:
    return await site.call("POST", f"/sounds?title={title}", status=status, of=of, content=content)


async def test_a_sound_is_kept_as_calls_play_it_and_named_by_what_is_in_it(site: Site) -> None:
    sound = await bring(site, wav(1.5, 44100, channels=2))
    again = await bring(site, wav(1.5, 44100, channels=2), title="other.wav")

    assert (sound["title"], round(sound["seconds"], 2)) == ("hello.wav", 1.5)
    assert again == sound
    kept = b"".join(app_of(site).files.read(key_of(site.organizations["default"], sound["name"])))
    with wave.open(io.BytesIO(kept)) as file:
        assert file.getparams()[:3] == (1, 2, 8000) and abs(file.getnframes() - 12000) <= 1


async def test_sounds_are_listed_a_page_at_a_time(site: Site) -> None:
    brought = [await bring(site, wav(seconds)) for seconds in (0.1, 0.2, 0.3)]

    first = await site.call("GET", "/sounds?limit=2")
    rest = await site.call("GET", f"/sounds?limit=2&before={first['next']}")

    assert first["sounds"] + rest["sounds"] == brought[::-1] and rest["next"] is None
    assert (await site.call("GET", "/sounds", of="other"))["sounds"] == []


async def test_an_agent_may_name_the_sounds_that_are_there_and_no_other(site: Site) -> None:
    ours, theirs = await bring(site, wav(0.1)), await bring(site, wav(0.2), of="other")

    def body(name: str) -> dict[str, Any]:
        steps = [{"say": "Hello."}, {"say": {"text": "Ding.", "sound": name}}]
        return {"name": "rings", "workflow_definition": {"greeting": "Hi.", "steps": steps}}

    made = await site.call("POST", "/workflow/create/definition", json=body(ours["name"]))
    for name in (theirs["name"], "hello.wav", f"../other/{theirs['name']}"):
        refused = await site.call("POST", "/workflow/create/definition", status=400, json=body(name))
        assert f"agent, step 2, say: there is no sound '{name}'" in refused["detail"]
        await site.call("PUT", f"/workflow/{made['id']}", status=400, json=body(name))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"ID3 no wave", "hello.wav is no WAV file of PCM sound"),
        (wav(1)[:20], "hello.wav is no WAV file of PCM sound"),
        (wav(0.1, width=3), "hello.wav has 24 bits and 1 channels: save it with 16 bits"),
        (wav(0.1, 96000), "hello.wav has 96000 Hz: save it with 8000 to 48000"),
        (wav(301), "hello.wav lasts 301 seconds, and 300 are the most"),
        (wav(0), "hello.wav holds no sound"),
    ],
)
async def test_a_file_that_no_call_could_play_is_refused_with_its_fix(
    site: Site, content: bytes, complaint: str
) -> None:
    assert complaint in (await bring(site, content, status=400))["detail"]
    assert (await site.call("GET", "/sounds"))["sounds"] == []


async def test_a_file_that_is_too_large_is_refused_before_all_of_it_has_come(site: Site) -> None:
    await bring(site, bytes(MOST_BYTES + 1), status=413)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    await site.call("POST", "/sounds", status=400, content=b"--x--", headers=headers)
