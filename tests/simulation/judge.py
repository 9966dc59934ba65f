"""Sees everything after each step of campaigns whose rules change, and says which promise was broken."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import Bench
from checks import STARTS, Hours, LogLine, no_attempt_is_placed_twice, no_number_rings_twice_at_once, read_log
from soundness import store_is_sound

from dialplane.core.campaign import FINAL, CampaignState, Policies
from dialplane.core.plan import HORIZON
from dialplane.engine.dispatcher import SEND_WINDOW

FOR_EVER = timedelta(days=4000)
AFTER_REFUSAL = timedelta(seconds=1)
# New settings count from the next turn on: what an earlier one has granted goes out within this.
GRANTED = HORIZON + SEND_WINDOW

Sent = frozenset[str]


@dataclass(frozen=True)
class Rules:
    """hours: in words of the checks, which know nothing of the engine; None: any hour."""

    policies: Policies
    hours: Hours | None


@dataclass
class Watched:
    """One campaign. Nobody is called while it is silent, but for what had been sent before the command returned.

    lines: how many may be in use; more than its rules say, while calls last that began before these were changed.
    """

    id: int
    log: Path
    rules: list[tuple[datetime, Rules]]
    lines: int = 0
    judged: int = 0  # lines of its log
    silent: Sent | None = frozenset()  # a draft
    removed: dict[str, Sent] = field(default_factory=dict)
    restored: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    state: CampaignState = CampaignState.DRAFT

    @property
    def max_lines(self) -> int:
        return self.rules[-1][1].policies.max_lines or 0

    def in_force(self, since: datetime, until: datetime) -> Iterator[Rules]:
        """All that were, at any instant of that time."""
        first = bisect_right(self.rules, since, key=lambda each: each[0]) - 1
        for at, rules in self.rules[max(0, first) :]:
            if at <= until:
                yield rules


class Judge:
    """Nothing else may happen while it looks. Zones are of each number."""

    def __init__(self, bench: Bench, max_lines: int, zones: Mapping[str, Sequence[str]]) -> None:
        self.bench = bench
        self.max_lines = max_lines
        self.zones = zones
        self.campaigns: dict[int, Watched] = {}
        self.do_not_call: dict[str, Sent] = {}
        self._ended_contacts: dict[int, str] = {}
        self._ended_attempts: dict[int, tuple[Any, ...]] = {}

    async def watch(self, campaign_id: int, rules: Rules) -> None:
        log = await self.bench.log_path(campaign_id)
        watched = Watched(campaign_id, log, [(self.bench.now, rules)])
        watched.lines = watched.max_lines
        self.campaigns[campaign_id] = watched

    # --- commands -----------------------------------------------------------------------------------

    async def sent(self) -> Sent:
        """Attempts past the guard and not with the carrier yet: in real time a command waits for them to get there."""
        found = await self._fetch("SELECT uuid FROM attempt WHERE organization_id = $1 AND state = 'sending'")
        return frozenset(str(row["uuid"]) for row in found)

    async def changed(self, campaign_id: int, rules: Rules) -> None:
        watched = self.campaigns[campaign_id]
        watched.rules.append((self.bench.now, rules))
        watched.lines = max(watched.max_lines, (await self._open_lines())[campaign_id])

    def restored(self, campaign_id: int, number: str, contact_id: int) -> None:
        watched = self.campaigns[campaign_id]
        watched.removed.pop(number, None)
        watched.restored[number].append(self.bench.now)
        self._ended_contacts.pop(contact_id, None)

    # --- judgement ----------------------------------------------------------------------------------

    async def look(self) -> None:
        await store_is_sound(self.bench.app)
        await self._what_has_ended_stays()
        logs = {watched.id: read_log(watched.log) for watched in self.campaigns.values()}
        together = with_ends([line for log in logs.values() for line in log], self.bench.now + FOR_EVER)
        no_attempt_is_placed_twice(together)
        no_number_rings_twice_at_once(together)
        for watched in self.campaigns.values():
            log = logs[watched.id]
            for line in log[watched.judged :]:
                if line.event in STARTS:
                    self._may_start(watched, line)
                    self._lines_are_kept(line, [each for each in together if each.file == line.file], watched.lines)
                    self._lines_are_kept(line, together, self.max_lines)
            self._starts_are_apart(watched, log)
            self._tries_are_kept(watched, log)
            watched.judged = len(log)
        open_lines = await self._open_lines()
        assert open_lines.total() <= self.max_lines, f"{open_lines} lines of {self.max_lines}"
        for watched in self.campaigns.values():
            used = open_lines[watched.id]
            assert used <= watched.lines, f"campaign {watched.id} uses {used} lines of {watched.lines}"
            watched.lines = max(watched.max_lines, used)

    def _may_start(self, watched: Watched, line: LogLine) -> None:
        for why, sent in (
            ("its campaign is stopped", watched.silent),
            ("it is removed", watched.removed.get(line.to)),
            ("it is on the do-not-call list", self.do_not_call.get(line.to)),
        ):
            assert sent is None or line.attempt_id in sent, f"called although {why}: {line}"
        rules = list(watched.in_force(line.at - GRANTED, line.at))
        assert any(
            each.hours is None or all(each.hours.hold(line.at, zone) for zone in self.zones[line.to]) for each in rules
        ), f"called outside {[each.hours for each in rules]} in {self.zones[line.to]}: {line}"

    def _lines_are_kept(self, start: LogLine, log: Iterable[LogLine], limit: int) -> None:
        ends = {line.call: line.at for line in log if line.event == "end"}
        at_once = [line for line in log if line.event == "place" and line.at <= start.at < ends[line.call]]
        assert len(at_once) <= limit, f"{len(at_once)} lines of {limit} at {start}"

    def _starts_are_apart(self, watched: Watched, log: Sequence[LogLine]) -> None:
        starts = sorted((line for line in log if line.event in STARTS), key=lambda line: line.at)
        for before, after in pairwise(starts):
            paces = [each.policies.cps for each in watched.in_force(before.at - GRANTED, after.at)]
            if None not in paces:
                apart = timedelta(seconds=1 / max(cps for cps in paces if cps is not None))
                assert after.at - before.at >= apart, f"less than {apart} apart: {before} {after}"

    def _tries_are_kept(self, watched: Watched, log: Sequence[LogLine]) -> None:
        ends = {line.call: line.at for line in log if line.event == "end"}
        tries: dict[str, list[LogLine]] = defaultdict(list)
        for line in sorted((line for line in log if line.event in STARTS), key=lambda line: (line.at, line.number)):
            tries[line.to].append(line)
        most = max(rules.policies.retry.max_retries for _, rules in watched.rules) + 1
        for number, starts in tries.items():
            restored = watched.restored[number]
            placed = [line for line in starts if line.event == "place"]
            assert len(placed) <= most + len(restored), f"{len(placed)} calls of {most}: {[str(p) for p in placed]}"
            for before, after in pairwise(starts):
                if any(before.at <= at <= after.at for at in restored):
                    continue
                over = before.at if before.event == "refuse" else ends[before.call]
                delays = [each.policies.retry.delay_seconds for each in watched.in_force(over, after.at)]
                wait = AFTER_REFUSAL if before.event == "refuse" else timedelta(seconds=min(delays))
                assert after.at - over >= wait, f"tried again after {after.at - over} of {wait}: {before} {after}"

    async def _what_has_ended_stays(self) -> None:
        contacts = await self._fetch(
            "SELECT id, state FROM contact WHERE organization_id = $1 AND state NOT IN ('waiting', 'dialing')"
        )
        attempts = await self._fetch(
            "SELECT id, disposition, spent, ended_at FROM attempt WHERE organization_id = $1 AND ended_at IS NOT NULL"
        )
        self._ended_contacts = _grown(self._ended_contacts, {row["id"]: row["state"] for row in contacts})
        self._ended_attempts = _grown(self._ended_attempts, {row["id"]: tuple(row) for row in attempts})
        for watched in self.campaigns.values():
            state = (await self.bench.get(watched.id)).state
            assert watched.state not in FINAL or state is watched.state, f"from {watched.state} to {state}"
            watched.state = state

    async def _open_lines(self) -> Counter[int]:
        found = await self._fetch(
            "SELECT campaign_id, count(*) AS lines FROM attempt WHERE organization_id = $1 AND ended_at IS NULL"
            " GROUP BY campaign_id"
        )
        return Counter({row["campaign_id"]: row["lines"] for row in found})

    async def _fetch(self, query: str) -> Sequence[Mapping[str, Any]]:
        async with self.bench.app.database.connection() as connection:
            found: Sequence[Mapping[str, Any]] = await connection.fetch(query, self.bench.app.organization_id)
        return found


def with_ends(log: Sequence[LogLine], at: datetime) -> list[LogLine]:
    """Calls in progress end then."""
    over = {line.call for line in log if line.event == "end"}
    placed = [line for line in log if line.event == "place" and line.call not in over]
    return [
        *log,
        *(
            LogLine(
                where=line.where,
                file=line.file,
                at=at,
                event="end",
                attempt_id=line.attempt_id,
                to=line.to,
                sender=line.sender,
                result="in progress",
                call=line.call,
            )
            for line in placed
        ),
    ]


def _grown(before: Mapping[int, Any], now: dict[int, Any]) -> dict[int, Any]:
    changed = {key: (value, now.get(key)) for key, value in before.items() if now.get(key) != value}
    assert not changed, f"has ended and changed since: {changed}"
    return now
