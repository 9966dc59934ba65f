"""`dialplane run` on a trunk, as an operator uses it: the example's callees, the report, the recordings, a kill."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from pathlib import Path

import yaml
from callees import EXAMPLES, HOST, Callee, callee, header, needs_programs
from executable import Cli, wait_for
from recordings import sides

from dialplane.voice.hearing import Endpointer, Listener
from dialplane.voice.settings import Hearing
from dialplane.voice.sound import FRAME_BYTES, SILENCE

pytestmark = needs_programs

PLAYED = {
    "+14155550101": "busy",
    "+14155550102": "no_answer",
    "+14155550104": "declined",
    "+14155550105": "invalid_number",
    "+14155550106": "answered",
    "+14155550108": "unreachable",
    "+14155550113": "answered",
    "+14155550114": "answered",
    "+14155550115": "answered",
}


def trunk(cli: Cli, called: Callee, **changes: object) -> Path:
    """The example's, at the port of these callees."""
    settings = yaml.safe_load((EXAMPLES.parent / "sip.yaml").read_text())
    return cli.file("trunk.yaml", yaml.safe_dump(settings | {"port": called.port} | changes))


def report(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def transcribed(sound: bytes, *likely: str) -> str:
    """The words of all stretches of speech."""

    async def words() -> list[str]:
        listener, endpointer = Listener(Hearing()), Endpointer()
        frames = [sound[at : at + FRAME_BYTES] for at in range(0, len(sound), FRAME_BYTES)] + 50 * [SILENCE]
        stretches = [said for frame in frames if (said := endpointer.feed(frame.ljust(FRAME_BYTES, b"\0")))]
        return [await listener.understood(said, likely) for said in stretches]

    return " ".join(asyncio.run(words()))


def test_a_campaign_on_a_trunk_comes_to_what_its_callees_played(cli: Cli) -> None:
    with callee(EXAMPLES / "callees.xml") as called:
        carrier = trunk(cli, called, slow_start=False)
        options = ["--agent", EXAMPLES / "agent.yaml", "--carrier", carrier, "--max-retries", "0", "--json"]
        done = cli("run", EXAMPLES / "contacts.csv", *options)

        rows = {row["to_number"]: row for row in report(cli.folder / "report.csv")}
        assert done.code == 0
        assert {number: row["disposition"] for number, row in rows.items()} == PLAYED
        assert {number: row["can_come"] for number, row in rows.items() if row["can_come"]} == {"+14155550106": "yes"}
        assert "We will not call you again" in rows["+14155550114"]["transcript"]
        assert cli("dnc", "list", "--json").out.count("+14155550114") == 1
        assert rows["+14155550101"]["sip_status"] == "486" and rows["+14155550113"]["cause"].startswith(
            "hung up by the"
        )

        by_attempt = {row["attempt_id"]: row["to_number"] for row in rows.values()}
        assert len(called.received("INVITE")) == len(PLAYED)
        for invite in called.received("INVITE"):
            assert by_attempt[header(invite, "X-Dialplane-Attempt")] in invite.splitlines()[0]
            assert header(invite, "From").startswith("<sip:+14155550100@")

    files = Path(cli.env["DIALPLANE_HOME"]) / "files"
    for number, row in rows.items():
        assert bool(row["recording"]) == (PLAYED[number] == "answered")
    for number, answer in (("+14155550106", "yes"), ("+14155550114", "stop calling me")):
        agent, person = sides(files / rows[number]["recording"])
        assert {"clinic", "tomorrow"} & set(transcribed(agent).split())
        assert not {"clinic", "tomorrow"} & set(transcribed(person).split())
        assert answer in transcribed(person, "yes", "no thank you", "stop calling me", "good morning", "come tomorrow")
    _, silent = sides(files / rows["+14155550115"]["recording"])
    assert not any(silent)


GREETS = "greeting: Hello.\nsteps: []\ngoodbye: Goodbye.\n"


def test_after_a_kill_no_attempt_is_placed_a_second_time(cli: Cli) -> None:
    """What rang or was answered when everything died was hung up, and ends as unknown: nobody can tell what it was."""
    people = [f"+141555502{number:02}" for number in range(20, 36)]
    with callee(EXAMPLES / "callees.xml") as called:
        # The longest call is half an hour: nobody waits for it where all that carried the calls is certainly dead.
        carrier = trunk(cli, called, cps=4)
        agent = cli.file("agent.yaml", GREETS)
        contacts = cli.contacts(*people)
        arguments = ["--agent", agent, "--carrier", carrier, "--max-retries", "0", "--max-concurrency", "4", "--json"]
        first = cli.start("run", contacts, "--report", "first.csv", *arguments)
        wait_for(lambda: len(called.received("INVITE")) >= 6)

        first.kill()
        first.wait()
        wait_for(lambda: all_hung_up(called))
        campaign = cli.newest()["id"]
        done = cli("run", "--resume", str(campaign), "--report", "second.csv", "--json")

        rows = report(cli.folder / "second.csv")
        assert done.code == 0
        assert [row["to_number"] for row in rows] == people
        assert set(called.invites().values()) == {1}
        assert Counter(row["attempt_id"] for row in rows).keys() == called.invites().keys()
        dispositions = Counter(row["disposition"] for row in rows)
        assert set(dispositions) == {"answered", "unknown"} and 1 <= dispositions["unknown"] <= 4


def test_a_campaign_goes_on_by_the_second_trunk_when_the_first_one_dies(cli: Cli) -> None:
    """Over TCP, where a dead trunk refuses the connection; what it was about to take is not dialled again."""
    people = [f"+141555503{number:02}" for number in range(12)]
    with callee("answer", transport="t1") as first, callee("answer", transport="t1") as second:
        both = [{"host": HOST, "port": each.port, "transport": "tcp"} for each in (first, second)]
        settings = {"provider": "sip", "name": "two", "numbers": ["+14155550100"], "local_address": HOST}
        carrier = cli.file("trunks.yaml", yaml.safe_dump(settings | {"slow_start": False, "trunks": both}))
        arguments = ["--agent", cli.file("agent.yaml", GREETS), "--carrier", carrier, "--max-retries", "0", "--json"]
        running = cli.start("run", cli.contacts(*people), *arguments, "--max-concurrency", "2")
        wait_for(lambda: len(first.received("ACK")) >= 4)

        first.stop()
        said, _ = running.communicate(timeout=60)

        rows = report(cli.folder / "report.csv")
        assert running.returncode == 0, said
        assert [row["to_number"] for row in rows] == people
        dispositions = Counter(row["disposition"] for row in rows)
        assert set(dispositions) <= {"answered", "unknown"} and dispositions["unknown"] <= 2
        placed = first.invites() + second.invites()
        assert set(placed.values()) == {1} and placed.keys() == {row["attempt_id"] for row in rows}
        by_second = {row["disposition"] for row in rows if row["attempt_id"] in second.invites()}
        assert by_second == {"answered"} and len(second.invites()) >= 6


def all_hung_up(called: Callee) -> bool:
    """Every call that was begun has been ended by somebody."""
    begun = {header(invite, "Call-ID") for invite in called.received("INVITE")}
    ended = {header(request, "Call-ID") for method in ("BYE", "CANCEL") for request in called.received(method)}
    return begun <= ended
