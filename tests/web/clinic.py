"""A clinic as its people would have it after a week: campaigns of every state, on the simulated carrier."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import yaml
from served import Served, until

from dialplane.store.embedded import attach

REMINDER = yaml.safe_load((Path(__file__).parents[2] / "examples" / "reminder.yaml").read_text(encoding="utf-8"))
SURVEY = {
    "name": "Survey after a visit",
    "greeting": "Hello {{first_name}}, this is the Northside Clinic with two short questions.",
    "steps": [
        {"say": "Were you content with your visit?", "gather": "content", "expect": ["yes", "no"]},
        {"say": "What should we do better?", "gather": "better", "attempts": 1},
    ],
    "goodbye": "Thank you, and goodbye.",
}
SURVEY_ANEW = SURVEY | {"greeting": "Hello {{first_name}}, it is the Northside Clinic. May I ask two short questions?"}
CONVERSATION = {
    "kind": "pipeline",
    "prompt": "You call {{first_name}} for the Northside Clinic, about the appointment on {{appointment_date}}.\n"
    "Find out whether it still suits; if not, offer another day and book it.\n"
    "Be friendly and brief: you are heard, not read. End the call once it is settled.\n",
    "greeting": "Hello {{first_name}}, this is the Northside Clinic. Do you have a moment?",
    "llm": {"service": "openai", "model": "gpt-4.1-mini", "api_key": "a key of nobody's"},
    "stt": {"service": "openai", "model": "gpt-4o-mini-transcribe", "api_key": "a key of nobody's"},
    "tts": {"service": "openai", "voice": "coral", "api_key": "a key of nobody's"},
    "transfer": {"to": {"reception": "+13125550196"}, "when": "They ask for something else."},
    "fields": {"suits": {"type": "boolean", "description": "Whether the appointment still suits."}},
    "disposition": ["confirmed", "moved", "unclear"],
    "summary": True,
}
VOICE = {name: CONVERSATION[name] for name in ("llm", "stt", "tts")}
# By area code: only numbers 555-0100 to 555-0199 belong to nobody.
CITIES = {
    "212": "New York, NY", "617": "Boston, MA", "305": "Miami, FL", "404": "Atlanta, GA", "215": "Philadelphia, PA",
    "312": "Chicago, IL", "512": "Austin, TX", "612": "Minneapolis, MN", "303": "Denver, CO",
    "801": "Salt Lake City, UT",
    "602": "Phoenix, AZ", "415": "San Francisco, CA",
    "206": "Seattle, WA", "503": "Portland, OR",
}  # fmt: skip
FIRST = [
    "Owen",
    "Harper",
    "Mia",
    "Noah",
    "Ava",
    "Liam",
    "Zoe",
    "Ethan",
    "Ruth",
    "Jack",
    "Nora",
    "Leo",
    "Iris",
    "Hugo",
    "Clara",
    "Samuel",
    "Alma",
    "Felix",
    "Ida",
    "Max",
]
LAST = [
    "Castellanos",
    "O'Neill",
    "McKenzie",
    "Brooks",
    "Tran",
    "Novak",
    "Okafor",
    "Lindgren",
    "Rossi",
    "Patel",
    "Weber",
    "Silva",
    "Kim",
    "Dubois",
]
OUTCOMES = {
    "answered": 0.52, "no_answer": 0.19, "busy": 0.09, "voicemail": 0.13, "declined": 0.03, "unreachable": 0.02,
    "invalid_number": 0.01, "carrier_failed": 0.01,
}  # fmt: skip
LIVE = {"ring_seconds": [2, 9], "talk_seconds": [5, 45], "voicemail_seconds": [4, 12], "words_per_second": 3, "cps": 6}
# Without faults of the carrier, whose calls are made again later and again.
PAST = {
    "outcomes": {**OUTCOMES, "unreachable": 0.03, "carrier_failed": 0},
    "ring_seconds": [0.05, 0.1],
    "talk_seconds": [0.3, 2.5],
    "words_per_second": 20,
    "cps": None,
}
MESSY = "Patient;Telefon;Termin;Ort\n" + "".join(
    f"{name};{number};{day}.3.2027;{town}\n"
    for name, number, day, town in [
        ("Lena Vogt", "030 23125001", 1, "Berlin"), ("Paul Brandt", "+49 89 32168012", 1, "München"),
        ("Jana Kühn", "0221 4710813", 2, "Köln"), ("Otto Seidel", "12", 2, "Leipzig"),
        ("Mara Engel", "040 41165023", 3, "Hamburg"), ("Lena Vogt", "030 23125001", 3, "Berlin"),
        ("Emil Arnold", "069 95324410", 4, "Frankfurt"), ("Ida Lorenz", "4,9E+11", 4, "Dresden"),
    ]
)  # fmt: skip


class Clinic:
    """Makes one of everything; `live`, `past` and the like are ids for the pictures."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.numbers = 0
        self.reminder = self._ask("POST", "/workflow/create/definition", _agent(REMINDER))["id"]
        self.survey = self._ask("POST", "/workflow/create/definition", _agent(SURVEY))["id"]
        self._ask("PUT", f"/workflow/{self.survey}", _agent(SURVEY_ANEW))
        given = {"name": "Appointments, by conversation", "workflow_definition": CONVERSATION}
        self.conversation = self._ask("POST", "/workflow/create/definition", given)["id"]
        self._ask("PUT", "/voice", VOICE)
        self.carrier = self._carrier("Riverside Telecom", {"outcomes": OUTCOMES, **LIVE, "max_lines": 120})
        past = self._carrier("Riverside Telecom (last week)", {"seed": 5, **PAST})
        numbers = f"/organizations/telephony-configs/{self.carrier}/phone-numbers"
        self.number = self._ask("GET", numbers)["phone_numbers"][0]["id"]
        self.webhook = self._webhook()
        self._lists()
        self.past = self.campaign(
            "Flu shots, autumn", 420, self.survey, past, lines=25, retries=0, versions={1: 50, 2: 50}
        )
        self.over = self.campaign("Survey after a visit", 60, self.survey, past, lines=10, retries=0)
        self.later = self.campaign("Dentist, spring", 240, self.reminder, self.carrier, lines=40)
        at = (datetime.now(UTC) + timedelta(days=3)).replace(hour=14, minute=0, second=0, microsecond=0)
        self._ask("POST", f"/campaign/{self.later}/schedule", {"starts_at": at.isoformat()})
        self.draft = self.campaign("Blood pressure follow-up", 180, self.reminder, self.carrier, lines=25)
        self.paused = self.campaign("Overdue check-ups", 150, self.reminder, self.carrier, lines=15)
        self.live = self.campaign("Appointment reminders, December", 1300, self.reminder, self.carrier, lines=60)
        for campaign in (self.live, self.paused, self.past, self.over):
            self._ask("POST", f"/campaign/{campaign}/start")
        self.began = time.monotonic()
        for campaign, days in ((self.past, 4), (self.over, 1)):
            self.finish(campaign)
            a_week_ago(served.home, campaign, days=days)
        self._ask("POST", f"/campaign/{self.paused}/pause")

    def campaign(
        self,
        name: str,
        contacts: int,
        agent: int,
        carrier: int,
        *,
        lines: int,
        retries: int = 2,
        versions: Mapping[int, int] | None = None,
    ) -> int:
        """A draft whose contacts are in. versions: of the agent, by weight; None for the one in force."""
        text = "phone_number,first_name,last_name,city,appointment_date,appointment_time\n"
        text += "\n".join(rows(contacts, seed=len(name))) + "\n"
        content = text.encode()
        given = {"file_name": f"{name.lower().replace(' ', '-')}.csv", "file_size": len(content)}
        upload = self._ask("POST", "/s3/presigned-upload-url", given)
        assert self.served.http.put(upload["upload_url"], content=content).status_code == 200
        made = self._ask(
            "POST",
            "/campaign/create",
            {
                "name": name, "workflow_id": agent, "telephony_configuration_id": carrier, "source_type": "csv",
                "source_id": upload["file_key"], "max_concurrency": lines,
                "retry_config": {"max_retries": retries, "retry_delay_seconds": 30},
                "schedule_config": hours(),
                "agent_versions": [{"version": each, "weight": weight} for each, weight in (versions or {}).items()],
            },
        )  # fmt: skip
        until(lambda: self._ask("GET", f"/campaign/{made['id']}")["source_sync"]["status"] == "completed", name)
        return int(made["id"])

    def finish(self, campaign: int) -> None:
        """Whose call a busy machine could not send in time waits for minutes: they are taken out."""
        until(lambda: self._ask("GET", f"/campaign/{campaign}/progress")["pending"] < 10, "few are left")
        time.sleep(5)
        waiting = self._ask("GET", f"/campaign/{campaign}/contacts?state=waiting")["contacts"]
        if waiting:
            given = {"contact_ids": [contact["id"] for contact in waiting]}
            self._ask("POST", f"/campaign/{campaign}/contacts/remove", given)
        until(lambda: self.state(campaign) == "completed", f"campaign {campaign} is completed")

    def answered_call(self) -> int:
        """A call of the completed survey in which both answers were given."""
        runs = self._ask("GET", f"/campaign/{self.past}/runs?limit=100")["runs"]
        whole = (self._ask("GET", f"/workflow/{self.survey}/runs/{run['id']}") for run in runs)
        said = ((run["id"], run["gathered_context"]["extracted_variables"].values()) for run in whole)
        return next(call for call, answers in said if len(answers) > 1 and all(answers))

    def contact_called_again(self) -> str:
        """The page of somebody in the campaign that runs whose first call came to nothing."""
        contacts = self._ask("GET", f"/campaign/{self.live}/contacts?limit=100")["contacts"]
        found = max(contacts, key=lambda contact: contact["attempts"])
        return f"/campaigns/{self.live}/contacts/{found['id']}"

    def state(self, campaign: int) -> str:
        return str(self._ask("GET", f"/campaign/{campaign}")["state"])

    def _carrier(self, name: str, config: dict[str, Any]) -> int:
        given = {"name": name, "config": {"provider": "simulated", **config}}
        made = self._ask("POST", "/organizations/telephony-configs", given)
        numbers = f"/organizations/telephony-configs/{made['id']}/phone-numbers"
        for label in ("Front desk", "Reminders", ""):
            given = {"address": f"+1312555019{self.numbers}", "label": label, "max_lines": 40 if label else None}
            self._ask("POST", numbers, given)
            self.numbers += 1
        return int(made["id"])

    def _webhook(self) -> int:
        receiver = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/crm/calls"
        return int(self._ask("POST", "/webhooks", {"url": url, "description": "The clinic's own records"})["id"])

    def _lists(self) -> None:
        for note, numbers in (
            ("asked us on the phone", ["+12125550198", "+13125550197"]),
            ("moved to another clinic", ["+16175550199", "+14155550198", "+12065550197"]),
        ):
            self._ask("POST", "/dnc", {"phone_numbers": numbers, "note": note})
        for name in ("Patient records", "Nightly report"):
            self._ask("POST", "/user/api-keys", {"name": name})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.served.ask(method, f"/api/v1{path}", **({} if body is None else {"json": body}))
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


def rows(count: int, *, seed: int) -> Iterator[str]:
    """That many people, every fiftieth with a mistake."""
    draw = random.Random(seed)
    places = list(product(CITIES, range(100, 196)))
    draw.shuffle(places)
    for index, (area, line) in enumerate(places[:count]):
        number = f"+1{area}5550{line}" if index % 50 else f"555-{line}"
        name = f"{draw.choice(FIRST)},{draw.choice(LAST)}"
        day, hour = draw.randint(1, 28), draw.randint(8, 16)
        yield f'{number},{name},"{CITIES[area]}",2027-03-{day:02},{hour:02}:{draw.choice(("00", "15", "30"))}'


def hours() -> dict[str, Any]:
    """From eight to nine where each contact is, if that is open for all of them now; else at any hour."""
    now = [datetime.now(ZoneInfo(zone)).hour for zone in ("America/New_York", "America/Los_Angeles")]
    slots = [{"day_of_week": day, "start_time": "08:00", "end_time": "21:00"} for day in range(7)]
    return {"enabled": all(8 <= hour < 20 for hour in now), "timezone": "contact", "slots": slots}


def a_week_ago(home: Path, campaign: int, *, days: int) -> None:
    """Its calls, made within a minute, as if they had been made on so many days, between eight and five."""
    attachment = attach(home)
    asyncio.run(_moved(attachment.connect_arguments, campaign, days))
    attachment.leave()


async def _moved(server: Mapping[str, Any], campaign: int, days: int) -> None:
    connection = await asyncpg.connect(**server)
    moments = ("created_at", "sent_at", "placed_at", "ringing_at", "answered_at", "ended_at")
    moved = ", ".join(f"{name} = a.{name} + by.moved" for name in moments)
    await connection.execute(
        f"UPDATE attempt a SET {moved} FROM (SELECT id, date_trunc('day', created_at) - make_interval(days => $2 + 2)"
        "  + make_interval(days => (contact_id * 7 % $2)::int + number - 1, hours => 14 + (contact_id * 5 % 9)::int,"
        "  mins => (contact_id * 11 % 60)::int) - created_at AS moved FROM attempt) by"
        " WHERE by.id = a.id AND a.campaign_id = $1",
        campaign, days,
    )  # fmt: skip
    await connection.execute(
        "UPDATE campaign c SET (started_at, ended_at) = (SELECT min(created_at), max(ended_at) FROM attempt a"
        " WHERE a.campaign_id = c.id) WHERE id = $1",
        campaign,
    )
    await connection.close()


def _agent(definition: dict[str, Any]) -> dict[str, Any]:
    return {"name": definition["name"], "workflow_definition": definition}


class _Receiver(BaseHTTPRequestHandler):
    """A server of the clinic's that takes every message."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
