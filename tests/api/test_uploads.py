"""A contacts file, from the request for a link to the bytes that come back."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
import wave
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from published import conforms
from site_of import CALLS, Site
from workbooks import Rows, xls, xlsx

from dialplane.api.links import artifact_token, read_artifact_token
from dialplane.core.campaign import Policies
from dialplane.engine.keys import Role
from dialplane.errors import NotFound
from dialplane.store.postgres import Database
from dialplane.voice.flac import encode
from dialplane.voice.recording import Recording
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

CSV = b"phone_number\n+12125550100\n"  # 26 bytes


async def asked(site: Site, *, of: str = "default", **body: Any) -> Any:
    return await site.call("POST", "/s3/presigned-upload-url", of=of, json=body)


async def uploaded(site: Site, content: bytes = CSV, *, of: str = "default", name: str = "contacts.csv") -> str:
    """The key of a file that is there."""
    link = await asked(site, of=of, filename=name)
    put = await site.http.put(link["upload_url"], content=content)
    assert put.status_code == 200, put.text
    return str(link["file_key"])


def app_of(site: Site, of: str = "default") -> App:
    return site.server.of(site.organizations[of])


def kept(site: Site) -> list[str]:
    """What is on the disk, remains of unfinished uploads included."""
    folder = site.server.settings.files_folder
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def changed(url: str, **query: str | None) -> str:
    """The same link with other values; None leaves one out."""
    parts = urlsplit(url)
    values: dict[str, str | None] = {name: given[0] for name, given in parse_qs(parts.query).items()}
    values |= query
    return parts._replace(query=urlencode({n: v for n, v in values.items() if v is not None})).geturl()


async def slowly(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not said before it comes."""
    for piece in pieces:
        yield piece


# --- a link to upload ----------------------------------------------------------------------------


async def test_a_file_comes_back_as_it_went_in(site: Site) -> None:
    link = conforms(
        await asked(site, file_name="my list.csv", file_size=26, content_type="text/csv"), "PresignedUploadUrlResponse"
    )

    put = await site.http.put(link["upload_url"], content=CSV, headers={"Content-Type": "text/csv"})
    signed = await site.call("GET", "/s3/signed-url", params={"key": link["file_key"]})
    got = await site.http.get(conforms(signed, "S3SignedUrlResponse")["url"])

    assert put.json() == {"file_key": link["file_key"], "bytes": 26}
    assert got.content == CSV
    assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert got.headers["Content-Length"] == "26"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''my%20list.csv"
    assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert (await app_of(site).uploads.received(link["file_key"])).bytes == 26


async def test_both_spellings_and_none_are_understood(site: Site) -> None:
    dograh = await asked(site, file_name="Liste für März.csv", file_size=10)
    sysevo = await asked(site, filename="a.csv", content_type="text/csv", purpose="campaign")
    neither = await site.call("POST", "/s3/presigned-upload-url")
    bare = await site.http.post("/s3/presigned-upload-url/", headers={"X-API-Key": site.keys["default"]}, json={})

    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    organization = site.organizations["default"]
    assert re.fullmatch(rf"campaigns/{organization}/{uuid}_Liste_f_r_M_rz\.csv", dograh["file_key"])
    for answer, name in ((sysevo, "a.csv"), (neither, "contacts.csv"), (bare.json(), "contacts.csv")):
        assert re.fullmatch(rf"campaigns/{organization}/{uuid}_{name}", answer["file_key"])
        assert answer["s3_key"] == answer["file_key"]
        assert answer["expires_in"] == 900
        assert answer["warnings"] == []


async def test_a_name_that_climbs_out_of_its_folder_stays_in_it(site: Site) -> None:
    link = await asked(site, filename="../../../etc/" + "x" * 200 + ".csv")

    assert link["file_key"].count("/") == 2
    assert link["file_key"].endswith("x.csv")
    assert len(link["file_key"].rsplit("/", 1)[1]) == 36 + 1 + 150


@pytest.mark.parametrize(("name", "make"), [("people.xlsx", xlsx), ("people.xls", xls)])
async def test_a_campaign_can_be_made_of_a_workbook(site: Site, name: str, make: Callable[[Rows], bytes]) -> None:
    app = app_of(site)
    await app.add_carrier(CALLS)
    people = make([["phone_number", "name"], ["+12122000000", "Ana"], [], ["+12122000001", "Ben"], ["4.4E+11", "Cleo"]])
    body = {
        "name": "spring",
        "workflow_id": await app.add_agent(None),
        "source_id": await uploaded(site, people, name=name),
    }

    made = await site.call("POST", "/campaign/create", json={**body, "source_type": "csv"})
    async with site.working():
        await site.until(f"/campaign/{made['id']}", {"total_rows": 2})
        page = await site.call("GET", f"/campaign/{made['id']}/contacts")

    assert [(who["phone_number"], who["row"], who["file"]) for who in page["contacts"]] == [
        ("+12122000000", 2, name),
        ("+12122000001", 4, name),
    ]


async def test_what_is_not_known_is_ignored_and_said(site: Site) -> None:
    link = await asked(site, filename="a.csv", colour="green")

    assert link["warnings"] == ["'colour' is not known and was ignored"]


MISFITS: list[tuple[dict[str, Any], str, str]] = [
    ({"file_name": "a.ods", "file_size": 1}, "file_name", "String should match pattern '.*\\.(csv|xlsx|xls)$'"),
    ({"filename": "a.txt"}, "filename", "String should match pattern '.*\\.(csv|xlsx|xls)$'"),
    ({"file_name": "a.csv"}, "file_size", "Field required"),
    ({"file_name": "a.csv", "file_size": 0}, "file_size", "Input should be greater than 0"),
    (
        {"file_name": "a.csv", "file_size": 1_000_000_001},
        "file_size",
        "Input should be less than or equal to 1000000000",
    ),
    ({"file_name": "a.csv", "file_size": 10**30}, "file_size", "Input should be less than or equal to 1000000000"),
    (
        {"file_name": "a.csv", "filename": "b.csv"},
        "filename",
        "file_name and filename differ: give one of them",
    ),
    (
        {"filename": "a.csv", "content_type": "text/csv\r\nX: y"},
        "content_type",
        "String should match pattern '^[\\x20-\\x7e]+$'",
    ),
    ({"filename": "x" * 252 + ".csv"}, "filename", "String should have at most 255 characters"),
]


async def test_a_request_of_the_wrong_shape_names_the_field(site: Site) -> None:
    for body, field, message in MISFITS:
        answer = await site.call("POST", "/s3/presigned-upload-url", status=422, json=body)
        assert [(fault["loc"], fault["msg"]) for fault in answer["detail"]] == [(["body", field], message)]


async def test_a_viewer_and_a_stranger_get_no_link(site: Site) -> None:
    viewer = await site.join("default", Role.VIEWER)

    await site.call("POST", "/s3/presigned-upload-url", status=403, key=viewer)
    assert (await site.http.post("/api/v1/s3/presigned-upload-url")).status_code == 401


async def test_a_public_url_is_what_links_begin_with(site: Site) -> None:
    settings = site.server.settings
    site.server.settings = type(settings)(home=settings.home, public_url="https://calls.example.org")

    link = await asked(site, filename="a.csv")

    assert link["upload_url"].startswith("https://calls.example.org/api/v1/files/campaigns/")


# --- what the link lets in -----------------------------------------------------------------------


async def test_a_link_that_was_changed_lets_nothing_in(site: Site) -> None:
    link = (await asked(site, file_name="a.csv", file_size=26))["upload_url"]
    foreign = (await asked(site, of="other", file_name="a.csv", file_size=26))["upload_url"]
    signature = parse_qs(urlsplit(link).query)["signature"][0]

    for forged in (
        changed(link, size="27"),
        changed(link, size=None),
        changed(link, expires="99999999999"),
        changed(link, organization=str(site.organizations["other"])),
        changed(link, signature=signature[:-1]),
        changed(link, signature="ü"),
        changed(link, signature=None),
        changed(link, name="b.csv"),
        link + "&size=27",
        link.split("?")[0],
        link.replace("/files/campaigns/", "/files/recordings/"),
        foreign.split("?")[0] + "?" + link.split("?")[1],
    ):
        answer = await site.http.put(forged, content=CSV)
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            "this link is not whole, or not one of ours: its signature does not fit",
        ), forged
    assert (await site.http.get(link)).status_code == 403, "it is for uploading"
    assert kept(site) == []


async def test_an_expired_link_says_so(site: Site) -> None:
    key = await app_of(site).uploads.expect("a.csv", "text/csv")
    organization = str(site.organizations["default"])
    at = {"expires": str(int(datetime.now(UTC).timestamp()) - 1), "organization": organization}
    signature = site.server.secrets.sign("PUT", key, "expires", at["expires"], "organization", organization)

    answer = await site.http.put(f"/api/v1/files/{key}?{urlencode({**at, 'signature': signature})}", content=CSV)

    assert (answer.status_code, answer.json()) == (403, {"detail": "this link has expired: ask for a new one"})


async def test_a_link_works_once(site: Site) -> None:
    link = await asked(site, filename="a.csv")
    await site.http.put(link["upload_url"], content=CSV)

    again = await site.http.put(link["upload_url"], content=b"phone_number\n+12125550199\n")

    assert (again.status_code, again.json()) == (
        409,
        {"detail": "the file has been uploaded already: ask for a new link"},
    )
    assert (app_of(site).settings.files_folder / link["file_key"]).read_bytes() == CSV


async def test_of_two_bodies_at_once_one_is_kept_whole(site: Site) -> None:
    link = await asked(site, filename="a.csv")
    bodies = [bytes([65 + i]) * (100_000 + i) for i in range(6)]

    answers = await asyncio.gather(*(site.http.put(link["upload_url"], content=slowly(body)) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    won = next(i for i, answer in enumerate(answers) if answer.status_code == 200)
    assert (app_of(site).settings.files_folder / link["file_key"]).read_bytes() == bodies[won]
    assert (await app_of(site).uploads.received(link["file_key"])).bytes == 100_000 + won
    assert kept(site) == [link["file_key"]]


@pytest.mark.parametrize("said", [True, False], ids=["with a Content-Length", "without one"])
async def test_another_size_is_refused_with_numbers_and_the_link_still_works(site: Site, said: bool) -> None:
    link = await asked(site, file_name="a.csv", file_size=26)

    for body, text in (
        (CSV[:-1], "the file has 25 bytes, and its link is for 26"),
        (CSV + b"\n", "the file has more than 26 bytes, which its link is for"),
        (b"", "the file has 0 bytes, and its link is for 26"),
        (CSV * 400_000, "the file has more than 26 bytes, which its link is for"),
    ):
        answer = await site.http.put(link["upload_url"], content=body if said else slowly(body))
        assert (answer.status_code, answer.json()) == (400, {"detail": text})
    assert kept(site) == []
    assert (await site.http.put(link["upload_url"], content=CSV)).status_code == 200


@pytest.mark.parametrize("said", [True, False], ids=["with a Content-Length", "without one"])
async def test_a_byte_more_than_the_most_is_too_large_and_leaves_nothing(site: Site, said: bool) -> None:
    app_of(site).uploads.max_bytes = 26
    link = await asked(site, filename="a.csv")

    answer = await site.http.put(link["upload_url"], content=CSV + b"\n" if said else slowly(CSV, b"\n"))

    assert (answer.status_code, answer.json()) == (
        413,
        {"detail": "the file has more than 26 bytes, which are the most"},
    )
    assert kept(site) == []
    assert (await site.http.put(link["upload_url"], content=CSV)).status_code == 200


@pytest.mark.parametrize("head", ["Content-Length: 26", "Transfer-Encoding: chunked"])
async def test_a_body_that_breaks_off_leaves_nothing_and_the_link_still_works(site: Site, head: str) -> None:
    link = await asked(site, file_name="a.csv", file_size=26)
    url = urlsplit(link["upload_url"])
    _, writer = await asyncio.open_connection(url.hostname, url.port)

    part = b"10\r\n" + CSV[:16] + b"\r\n" if "chunked" in head else CSV[:16]
    writer.write(f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n{head}\r\n\r\n".encode() + part)
    await writer.drain()
    async with asyncio.timeout(5):
        while not kept(site):
            await asyncio.sleep(0.005)
        writer.close()
        while kept(site):
            await asyncio.sleep(0.005)

    with pytest.raises(NotFound, match="has not been uploaded yet"):
        await app_of(site).uploads.received(link["file_key"])
    assert (await site.http.put(link["upload_url"], content=CSV)).status_code == 200


async def test_a_body_that_stops_coming_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.api.files.STALLED_SECONDS", 0.1)
    link = await asked(site, filename="a.csv")
    released = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield CSV
        await released.wait()

    putting = asyncio.create_task(site.http.put(link["upload_url"], content=stalling()))
    async with asyncio.timeout(5):
        while not kept(site):
            await asyncio.sleep(0.005)
        while kept(site):
            await asyncio.sleep(0.005)
    released.set()

    assert (await putting).status_code == 400
    assert (await putting).json() == {"detail": "nothing came for 0.1 seconds"}
    assert (await site.http.put(link["upload_url"], content=CSV)).status_code == 200


async def test_a_file_is_nobody_elses_and_not_there_before_it_has_come(site: Site) -> None:
    key = await uploaded(site)
    expected = (await asked(site, filename="a.csv"))["file_key"]

    for of, asked_for, text in (
        ("other", key, f"there is no uploaded file {key}"),
        ("default", key + "x", f"there is no uploaded file {key}x"),
        ("default", expected, f"the file {expected} has not been uploaded yet: PUT it to its upload_url first"),
    ):
        with pytest.raises(NotFound) as refused:
            await app_of(site, of).uploads.received(asked_for)
        assert str(refused.value) == text


# --- a link to download --------------------------------------------------------------------------


async def test_a_download_link_works_for_a_quarter_of_an_hour_at_most(site: Site) -> None:
    key = await uploaded(site)

    long = await site.call("GET", "/s3/signed-url", params={"key": key, "expires_in": 3600})
    short = await site.call("GET", "/s3/signed-url", params={"key": key, "expires_in": 60})
    unsaid = await site.call("GET", "/s3/signed-url", params={"key": key})
    await site.call("GET", "/s3/signed-url", status=422, params={"key": key, "expires_in": 0})
    await site.call("GET", "/s3/signed-url", status=422, params={"key": key, "expires_in": 2**63})

    assert [link["expires_in"] for link in (long, short, unsaid)] == [900, 60, 900]
    left = int(parse_qs(urlsplit(short["url"]).query)["expires"][0]) - datetime.now(UTC).timestamp()
    assert 55 < left <= 60


async def test_what_is_shown_in_a_browser_cannot_act_there(site: Site) -> None:
    link = await asked(site, filename="page.csv", content_type="text/html")
    await site.http.put(link["upload_url"], content=b"<script>alert(1)</script>")

    signed = await site.call("GET", "/s3/signed-url", params={"key": link["file_key"], "inline": True})
    got = await site.http.get(signed["url"])

    assert got.headers["Content-Disposition"] == "inline; filename*=UTF-8''page.csv"
    assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert (await site.http.get(changed(signed["url"], name="x.html"))).status_code == 403
    assert (await site.http.put(signed["url"], content=CSV)).status_code == 403


@pytest.mark.parametrize("path", ["/s3/signed-url", "/s3/file-metadata"])
async def test_keys_that_are_not_the_callers_own(site: Site, path: str) -> None:
    theirs = await uploaded(site, of="other")
    other, mine = site.organizations["other"], site.organizations["default"]

    for key, status, text in (
        (theirs, 403, "Access denied"),
        (f"campaigns/{other}/never-was.csv", 403, "Access denied"),
        (f"knowledge_base/{other}/a.pdf", 403, "Access denied"),
        (f"recordings/{other}/7/a.wav", 403, "Access denied"),
        ("recordings/7.wav", 403, "Access denied for this workflow run"),
        ("recordings/7/user.wav", 403, "Access denied for this workflow run"),
        ("transcripts/7.txt", 403, "Access denied for this workflow run"),
        (f"transcripts/{2**63}.txt", 403, "Access denied for this workflow run"),
        (f"campaigns/{mine}/never-was.csv", 404, f"there is no uploaded file campaigns/{mine}/never-was.csv"),
        (f"knowledge_base/{mine}/a.pdf", 404, f"there is no file knowledge_base/{mine}/a.pdf"),
        (f"contacts/{mine}/a.csv", 400, "Invalid key format"),
        ("../secret.key", 400, "Invalid key format"),
        ("transcripts/7.pdf", 400, "Invalid key format"),
        ("recordings/٧.wav", 400, "Invalid key format"),
    ):
        answer = await site.call("GET", path, status=status, params={"key": key})
        assert answer["detail"] == text, key
    await site.call("GET", path, status=422)


async def test_metadata_says_what_is_known_of_a_file(site: Site) -> None:
    key = await uploaded(site, name="März.csv")

    answer = conforms(await site.call("GET", "/s3/file-metadata", params={"key": key}), "FileMetadataResponse")

    assert answer["key"] == key
    assert {name: answer["metadata"][name] for name in ("name", "size", "content_type")} == {
        "name": "März.csv",
        "size": 26,
        "content_type": "text/csv",
    }
    assert datetime.fromisoformat(answer["metadata"]["created_at"]).tzinfo is not None


# --- what calls leave behind ---------------------------------------------------------------------


async def called(site: Site) -> Mapping[str, Any]:
    """An attempt that was answered: id, uuid, transcript."""
    app = app_of(site)
    campaign_id = await app.campaigns.create(
        name="test",
        agent_id=await app.add_agent({"name": "brief", "greeting": "Hi."}),
        carrier_id=await app.add_carrier({**CALLS, "talk_seconds": [0.5, 0.6]}),
        policies=Policies(),
    )
    path = app.settings.home / "one.csv"
    path.write_bytes(CSV)
    await app.intake.store(campaign_id, path, None)
    await app.intake.run(campaign_id, await app.columns_of(campaign_id))
    async with site.working(), asyncio.timeout(20):
        await app.campaigns.start(campaign_id)
        while (await app.campaigns.get(campaign_id)).state != "completed":
            await asyncio.sleep(0.02)
    async with app.database.connection() as connection:
        return dict(await connection.fetchrow("SELECT id, uuid, transcript FROM attempt"))


async def test_a_transcript_and_a_recording_by_the_token_of_their_call(site: Site, database: Database) -> None:
    attempt = await called(site)
    organization = site.organizations["default"]
    token = artifact_token(site.server.secrets, organization, attempt["uuid"])
    path = f"/api/v1/public/download/workflow/{token}"

    redirect = await site.http.get(f"{path}/transcript")
    transcript = await site.http.get(redirect.headers["Location"])
    by_key = await site.call("GET", "/s3/signed-url", params={"key": f"transcripts/{attempt['id']}.txt"})

    first = attempt["transcript"][0]
    assert redirect.status_code == 302
    assert transcript.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert transcript.text.splitlines()[0] == f"[{first['at_seconds']:.1f}] {first['speaker']}: {first['text']}"
    assert (await site.http.get(by_key["url"])).text == transcript.text
    await site.call("GET", "/s3/signed-url", of="other", status=403, params={"key": f"transcripts/{attempt['id']}.txt"})

    for artifact, text in (
        ("recording", "this call has no recording"),
        ("user_recording", "this call has no user recording"),
        ("bot_recording", "this call has no bot recording"),
    ):
        answer = await site.http.get(f"{path}/{artifact}")
        assert (answer.status_code, answer.json()) == (404, {"detail": text})
    await site.call("GET", "/s3/signed-url", status=404, params={"key": f"recordings/{attempt['id']}.wav"})
    unsupported = await site.http.get(f"{path}/video")
    assert unsupported.status_code == 400

    wav = site.server.settings.home / "call.wav"
    wav.write_bytes(b"RIFF....WAVE")
    site.server.files.put(f"recordings/{organization}/{attempt['id']}/call.wav", wav)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET recording = $1", f"recordings/{organization}/{attempt['id']}/call.wav"
        )

    recording = await site.http.get(f"{path}/recording?inline=true", follow_redirects=True)
    by_key = await site.call("GET", "/s3/signed-url", params={"key": f"recordings/{attempt['id']}.wav"})

    assert recording.content == b"RIFF....WAVE"
    assert recording.headers["Content-Type"] in ("audio/x-wav", "audio/wav")
    assert recording.headers["Content-Disposition"] == "inline; filename*=UTF-8''call.wav"
    assert (await site.http.get(by_key["url"])).content == b"RIFF....WAVE"


async def test_a_recording_comes_by_channel(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempt = await called(site)
    organization = site.organizations["default"]
    agent, contact = array("h", range(50_000 // 2)), array("h", [-7]) * (50_000 // 2)
    both = array("h", bytes(4 * len(agent)))
    both[0::2], both[1::2] = agent, contact
    with wave.open(str(tmp_path / "call.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(both.tobytes())
    site.server.files.put(f"recordings/{organization}/call.wav", tmp_path / "call.wav")
    async with database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = $1", f"recordings/{organization}/call.wav")
    path = f"/api/v1/public/download/workflow/{artifact_token(site.server.secrets, organization, attempt['uuid'])}"
    key = f"recordings/{attempt['id']}.wav"

    for query in ("", "?channel=both"):
        whole = await site.http.get(f"{path}/recording{query}", follow_redirects=True)
        assert whole.content == (tmp_path / "call.wav").read_bytes()
    for channel, side in (("agent", agent), ("contact", contact), ("mono", None)):
        by_token = await site.http.get(f"{path}/recording?channel={channel}", follow_redirects=True)
        link = await site.call("GET", "/s3/signed-url", params={"key": key, "channel": channel, "inline": True})
        by_key = await site.http.get(link["url"])
        with wave.open(io.BytesIO(by_token.content)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, len(agent))
            heard = array("h", file.readframes(len(agent)))
        assert heard == side if side else max(abs(h - (a - 7) / 2) for h, a in zip(heard, agent, strict=True)) <= 1
        assert by_key.content == by_token.content
        assert by_token.headers["Content-Length"] == str(len(by_token.content))
        assert by_token.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''call-{channel}.wav"
        for forged in (changed(link["url"], channel="both"), changed(link["url"], channel=None)):
            assert (await site.http.get(forged)).status_code == 403

    (run,) = (await site.call("GET", "/workflow/1/runs"))["runs"]
    whole_run = await site.call("GET", f"/workflow/1/runs/{run['id']}")
    vapi = {"Authorization": f"Bearer {site.keys['default']}"}
    for dograh, words, channel in (("user", "customer", "contact"), ("bot", "assistant", "agent")):
        expected = (await site.http.get(f"{path}/recording?channel={channel}", follow_redirects=True)).content
        link = await site.call("GET", "/s3/signed-url", params={"key": run[f"{dograh}_recording_url"]})
        metadata = await site.call("GET", "/s3/file-metadata", params={"key": run[f"{dograh}_recording_url"]})
        assert (await site.http.get(link["url"])).content == expected and metadata["metadata"]["size"] is None
        by_artifact = await site.http.get(whole_run[f"{dograh}_recording_public_url"], follow_redirects=True)
        assert by_artifact.content == expected
        side = f"/vapi/call/{attempt['uuid']}/{words}-recording"
        assert (await site.http.get(side, headers=vapi, follow_redirects=True)).content == expected
    artifact = (await site.http.get(f"/vapi/call/{attempt['uuid']}", headers=vapi)).json()["artifact"]
    links = {"stereo": artifact["recording"]["stereoUrl"], "mono": artifact["recording"]["mono"]["combinedUrl"]}
    for word, url in links.items():
        expected = (await site.http.get(url, follow_redirects=True)).content
        named = f"/vapi/call/{attempt['uuid']}/{word}-recording"
        assert (await site.http.get(named, headers=vapi, follow_redirects=True)).content == expected
        with wave.open(io.BytesIO(expected)) as file:
            assert file.getnchannels() == (2 if word == "stereo" else 1)
    assert artifact["stereoRecordingUrl"] == links["stereo"]
    video = await site.http.get(f"/vapi/call/{attempt['uuid']}/video-recording", headers=vapi)
    assert video.status_code == 404

    async def link_of_store(*_: Any) -> str:
        return "https://store.example/call.wav"

    monkeypatch.setattr(site.server.files, "link", link_of_store)  # which knows the whole file alone
    assert (await site.http.get(f"{path}/recording")).headers["Location"] == "https://store.example/call.wav"
    ours = (await site.http.get(f"{path}/recording?channel=agent")).headers["Location"]
    assert urlsplit(ours).path.startswith("/api/v1/files/")


@pytest.mark.skipif(find_spec("soundfile") is None, reason="not installed: soundfile")
async def test_a_flac_recording_comes_as_it_is_or_one_side_of_it_as_wav(
    site: Site, database: Database, tmp_path: Path
) -> None:
    attempt = await called(site)
    organization = site.organizations["default"]
    agent, contact = array("h", range(20_000)), array("h", [-7]) * 20_000
    recording = Recording(tmp_path / "call.wav")
    recording.add(agent.tobytes(), contact.tobytes())
    recording.close()
    encode(tmp_path / "call.wav", tmp_path / "call.flac")
    site.server.files.put(f"recordings/{organization}/call.flac", tmp_path / "call.flac")
    async with database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = $1", f"recordings/{organization}/call.flac")
    path = f"/api/v1/public/download/workflow/{artifact_token(site.server.secrets, organization, attempt['uuid'])}"

    both = await site.http.get(f"{path}/recording", follow_redirects=True)
    one = await site.http.get(f"{path}/recording?channel=agent", follow_redirects=True)
    metadata = await site.call("GET", "/s3/file-metadata", params={"key": f"recordings/{attempt['id']}.wav"})

    assert both.content == (tmp_path / "call.flac").read_bytes() and "flac" in both.headers["Content-Type"]
    assert metadata["metadata"]["content_type"] == "audio/flac" and metadata["metadata"]["name"] == "call.flac"
    with wave.open(io.BytesIO(one.content)) as file:
        assert array("h", file.readframes(20_000)) == agent
    assert one.headers["Content-Type"] == "audio/wav" and one.headers["Content-Disposition"].endswith("call-agent.wav")


async def test_a_recording_that_is_no_stereo_wav_has_no_channels(site: Site, database: Database) -> None:
    attempt = await called(site)
    organization = site.organizations["default"]
    mp3 = site.server.settings.home / "call.mp3"
    mp3.write_bytes(b"ID3 and so on")
    site.server.files.put("recordings/1/call.mp3", mp3)
    async with database.connection() as connection:
        await connection.execute("UPDATE attempt SET recording = 'recordings/1/call.mp3'")
    path = f"/api/v1/public/download/workflow/{artifact_token(site.server.secrets, organization, attempt['uuid'])}"

    refused = await site.http.get(f"{path}/recording?channel=agent", follow_redirects=True)
    unknown = await site.http.get(f"{path}/recording?channel=left")
    transcript = await site.http.get(f"{path}/transcript?channel=agent", follow_redirects=True)

    assert refused.status_code == 400
    assert refused.json() == {"detail": "this recording is no WAV file: there is channel=both alone"}
    assert unknown.status_code == 422
    assert transcript.text.startswith("[")
    assert (await site.http.get(f"{path}/recording", follow_redirects=True)).content == b"ID3 and so on"


async def test_a_token_that_is_not_ours_opens_nothing(site: Site) -> None:
    attempt = await called(site)
    secrets, organization = site.server.secrets, site.organizations["default"]
    token = artifact_token(secrets, organization, attempt["uuid"])

    assert read_artifact_token(secrets, token) == (organization, attempt["uuid"])
    for forged in (
        "x",
        "1.2.3",
        token[:-1],
        token.replace(f"{organization}.", f"{site.organizations['other']}.", 1),
        artifact_token(secrets, site.organizations["other"], attempt["uuid"]),
    ):
        answer = await site.http.get(f"/api/v1/public/download/workflow/{forged}/transcript")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid or expired token"}), forged


# --- what stays, and what goes -------------------------------------------------------------------


async def draft_of(app: App, key: str, *, source: str = "") -> int:
    """A draft whose contacts file has this key."""
    campaign_id = await app.campaigns.create(
        name="test",
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier(None),
        policies=Policies(),
        source=source,
    )
    async with app.database.connection() as connection:
        await connection.execute(
            "INSERT INTO contact_file (organization_id, uuid, campaign_id, name, key, state, sequence_base, created_at)"
            " VALUES ($1, gen_random_uuid(), $2, 'a.csv', $3, 'imported', 0, now())",
            app.organization_id,
            campaign_id,
            key,
        )
    return campaign_id


async def test_a_week_later_what_no_campaign_has_is_gone(site: Site) -> None:
    app, other = app_of(site), app_of(site, "other")
    unused, imported, named = [await uploaded(site) for _ in range(3)]
    theirs = await uploaded(site, of="other")
    never_came = (await asked(site, filename="a.csv"))["file_key"]
    await draft_of(app, imported)
    await draft_of(app, "contacts/1/x.csv", source=named)
    now = datetime.now(UTC)

    assert await app.uploads.purge(now - timedelta(hours=1)) == 0
    assert await app.uploads.purge(now + timedelta(seconds=1)) == 2

    assert kept(site) == sorted([imported, named, theirs])
    for gone in (unused, never_came):
        with pytest.raises(NotFound, match="there is no uploaded file"):
            await app.uploads.received(gone)
    assert (await app.uploads.received(imported)).bytes == 26
    assert (await other.uploads.received(theirs)).bytes == 26


async def test_what_was_asked_for_within_the_week_stays(site: Site, database: Database) -> None:
    app = app_of(site)
    key = await uploaded(site)
    async with database.connection() as connection:
        await connection.execute("UPDATE upload SET used_at = used_at - interval '8 days'")

    await app.uploads.received(key)

    assert await app.uploads.purge(datetime.now(UTC) - timedelta(days=7)) == 0
    assert kept(site) == [key]


async def test_many_unused_files_go_in_one_purge(site: Site, database: Database) -> None:
    app = app_of(site)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO upload (organization_id, key, name, content_type, created_at, used_at)"
            " SELECT $1::bigint, 'campaigns/' || $1::bigint || '/' || n, 'a.csv', 'text/csv', now(), now()"
            " FROM generate_series(1, 250) n",
            app.organization_id,
        )

    assert await app.uploads.purge(datetime.now(UTC) + timedelta(days=1)) == 250


async def test_a_discarded_draft_takes_its_own_copy_and_leaves_the_upload(site: Site) -> None:
    app = app_of(site)
    upload = await uploaded(site)
    copy = app.settings.home / "copy.csv"
    copy.write_bytes(CSV)
    own, shared, source = (f"contacts/{app.organization_id}/{name}.csv" for name in ("own", "shared", "source"))
    for key in (own, shared, source):
        app.files.put(key, copy)
    drafts = [await draft_of(app, key) for key in (upload, own, shared, source)]
    await draft_of(app, shared)
    await draft_of(app, upload, source=source)

    for campaign_id in drafts:
        await app.discard(campaign_id)

    assert kept(site) == sorted([upload, shared, source])


# --- however large -------------------------------------------------------------------------------

SERVER = """
import asyncio, json, sys, uvicorn
from pathlib import Path
from dialplane.api.application import build_api
from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.store.postgres import Database
from dialplane.wiring import Server

async def main(arguments, schema, home):
    settings = Settings(home=Path(home), secret_key="a secret for the tests")
    database = await Database.open(arguments, schema=schema, durable=False)
    http = uvicorn.Server(uvicorn.Config(
        build_api(Server(settings, database, RealClock(), settings.carrier_logs)), port=0, log_config=None))
    serving = asyncio.create_task(http.serve())
    while not http.started:
        await asyncio.sleep(0.005)
    print(http.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@asynccontextmanager
async def served_apart(
    server: Mapping[str, Any], schema: str, home: Path, *, within: Sequence[str] = ()
) -> AsyncIterator[tuple[int, str]]:
    """(process id, address of the API) of a server in a process of its own on the same database.

    within: a command that runs the rest of its arguments.
    """
    arguments = json.dumps([dict(server), schema, str(home)])
    process = await asyncio.create_subprocess_exec(
        *within, sys.executable, "-c", SERVER, arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield process.pid, f"http://127.0.0.1:{port}/api/v1"
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)


def peak_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_memory_does_not_grow_with_the_size_of_an_upload(
    site: Site, server: Mapping[str, Any], schema: str, tmp_path: Path
) -> None:
    """200 MB go up and come back."""
    peaks = []
    headers = {"X-API-Key": site.keys["default"]}
    async with served_apart(server, schema, tmp_path) as (pid, url), httpx2.AsyncClient(base_url=url) as http:
        for megabytes in (1, 200):
            link = (await http.post("/s3/presigned-upload-url", headers=headers)).json()
            body = slowly(*[b"x" * 1_000_000] * megabytes)
            put = await http.put(link["upload_url"], content=body, timeout=60)
            signed = await http.get("/s3/signed-url", headers=headers, params={"key": link["file_key"]})
            async with http.stream("GET", signed.json()["url"]) as answer:
                came = sum([len(chunk) async for chunk in answer.aiter_raw()])
            assert put.json()["bytes"] == came == megabytes * 1_000_000
            peaks.append(peak_megabytes(pid))

    assert peaks[1] - peaks[0] < 50, peaks


# A command, run with a disk of 3 MB in place of a folder, which is its first argument.
AS_ROOT = [] if os.geteuid() == 0 else ["--map-root-user"]
MOUNTED = 'mount -t tmpfs -o size=3m small "$0" && exec "$@"'
ON_A_SMALL_DISK = ["unshare", "--mount", *AS_ROOT, "sh", "-c", MOUNTED]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
async def test_a_full_disk_is_named_and_leaves_nothing(
    site: Site, server: Mapping[str, Any], schema: str, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    tried = await asyncio.create_subprocess_exec(*ON_A_SMALL_DISK, str(small), "true")
    if await tried.wait():
        pytest.skip("this user may not mount a file system")
    headers = {"X-API-Key": site.keys["default"]}

    within = [*ON_A_SMALL_DISK, str(small)]
    async with served_apart(server, schema, small, within=within) as (_, url), httpx2.AsyncClient(base_url=url) as http:
        link = (await http.post("/s3/presigned-upload-url", headers=headers)).json()
        full = await http.put(link["upload_url"], content=slowly(*[b"x" * 1_000_000] * 12))
        again = await http.put(link["upload_url"], content=slowly(*[b"x" * 1_000_000] * 2))

    assert full.status_code == 503
    assert full.json()["detail"].endswith("cannot be written: the disk is full")
    assert again.json()["bytes"] == 2_000_000, "what was written of the first one is gone"
