"""Hours: tables for the edges and the nights on which the clocks change, properties against a wall-clock check."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.core.slot import Slot
from dialplane.core.window import CallingWindow, Closed, Open
from dialplane.errors import Invalid

US_ZONES = (
    "America/New_York",
    "America/Detroit",
    "America/Kentucky/Louisville",
    "America/Kentucky/Monticello",
    "America/Indiana/Indianapolis",
    "America/Indiana/Vincennes",
    "America/Indiana/Winamac",
    "America/Indiana/Marengo",
    "America/Indiana/Petersburg",
    "America/Indiana/Vevay",
    "America/Chicago",
    "America/Indiana/Tell_City",
    "America/Indiana/Knox",
    "America/Menominee",
    "America/North_Dakota/Center",
    "America/North_Dakota/New_Salem",
    "America/North_Dakota/Beulah",
    "America/Denver",
    "America/Boise",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Juneau",
    "America/Sitka",
    "America/Metlakatla",
    "America/Yakutat",
    "America/Nome",
    "America/Adak",
    "Pacific/Honolulu",
    "Pacific/Guam",
    "Pacific/Saipan",
    "Pacific/Pago_Pago",
    "America/Puerto_Rico",
    "America/St_Thomas",
    "America/Halifax",
    "America/Toronto",
    "America/Winnipeg",
    "America/Vancouver",
    "America/Nassau",
    "Atlantic/Bermuda",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def slot(days: str, hours: str) -> Slot:
    (found,) = CallingWindow.parse(f"{days} {hours}", "UTC").slots
    return found


# --- open and closed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "is_open", "until"),
    [
        ("2025-01-06T08:59:59.999999", False, "2025-01-06T09:00"),
        ("2025-01-06T08:59", False, "2025-01-06T09:00"),
        ("2025-01-06T09:00", True, "2025-01-06T17:00"),
        ("2025-01-06T16:59:59.999999", True, "2025-01-06T17:00"),
        ("2025-01-06T17:00", False, "2025-01-07T09:00"),
        ("2025-01-10T17:00", False, "2025-01-13T09:00"),  # Friday evening to Monday morning
    ],
)
def test_a_slot_is_open_from_its_first_second_to_before_its_end(at: str, is_open: bool, until: str) -> None:
    opening = CallingWindow.parse("mon-fri 09:00-17:00", "Europe/Berlin").opening((), local(at, "Europe/Berlin"))

    assert isinstance(opening, Open) is is_open
    assert opening.until == local(until, "Europe/Berlin")


def test_an_opening_says_since_when() -> None:
    window = CallingWindow.parse("mon-fri 00:00-24:00", "UTC")

    assert window.opening((), utc("2025-01-10T12:00")) == Open(
        since=utc("2025-01-06T00:00"), until=utc("2025-01-11T00:00")
    )


def test_hours_that_touch_or_overlap_are_one_opening() -> None:
    window = CallingWindow.parse("mon 09:00-12:00; mon 12:00-15:00; mon 14:00-17:00", "UTC")

    assert window.opening((), utc("2025-01-06T10:00")) == Open(
        since=utc("2025-01-06T09:00"), until=utc("2025-01-06T17:00")
    )


@pytest.mark.parametrize("text", ["daily 00:00-24:00", "daily 22:00-21:00; daily 20:00-23:00"])
def test_a_window_without_gaps_has_no_end(text: str) -> None:
    assert CallingWindow.parse(text, "Europe/Berlin").opening((), utc("2025-03-30T00:59")) == Open(
        since=None, until=None
    )


@pytest.mark.parametrize("timezone", ["UTC", "contact"])
@pytest.mark.parametrize("zones", [(), ("Nowhere/At_All",), ("Europe/Berlin",)])
def test_no_slots_is_any_hour(timezone: str, zones: tuple[str, ...]) -> None:
    assert CallingWindow(timezone=timezone).opening(zones, utc("2025-01-06T03:00")) == Open(since=None, until=None)


@pytest.mark.parametrize(
    ("days", "at", "is_open", "until"),
    [
        ("fri", "2025-01-10T21:59", False, "2025-01-10T22:00"),
        ("fri", "2025-01-10T23:59:59", True, "2025-01-11T06:00"),
        ("fri", "2025-01-11T00:00", True, "2025-01-11T06:00"),  # Saturday's first hours are Friday's slot
        ("fri", "2025-01-11T06:00", False, "2025-01-17T22:00"),
        ("fri", "2025-01-10T05:00", False, "2025-01-10T22:00"),  # Thursday has none that would reach into Friday
        ("sun", "2025-01-13T05:59:59", True, "2025-01-13T06:00"),  # over the week's end
        ("sun", "2025-01-12T05:00", False, "2025-01-12T22:00"),
    ],
)
def test_an_overnight_slot_belongs_to_the_day_on_which_it_starts(days: str, at: str, is_open: bool, until: str) -> None:
    opening = CallingWindow.parse(f"{days} 22:00-06:00", "UTC").opening((), utc(at))

    assert isinstance(opening, Open) is is_open
    assert opening.until == utc(until)


@pytest.mark.parametrize(
    ("zone", "hours", "spans"),
    [
        # 02:00 -> 03:00 on 2025-03-30: what lies in the gap does not exist
        ("Europe/Berlin", "02:00-03:00", []),
        ("Europe/Berlin", "01:30-02:30", [("2025-03-30T00:30", "2025-03-30T01:00")]),
        ("Europe/Berlin", "02:30-04:00", [("2025-03-30T01:00", "2025-03-30T02:00")]),
        ("Europe/Berlin", "01:00-05:00", [("2025-03-30T00:00", "2025-03-30T03:00")]),
        # 03:00 -> 02:00 on 2025-10-26: what is repeated is open twice
        (
            "Europe/Berlin",
            "02:00-02:30",
            [("2025-10-26T00:00", "2025-10-26T00:30"), ("2025-10-26T01:00", "2025-10-26T01:30")],
        ),
        (
            "Europe/Berlin",
            "01:00-02:30",
            [("2025-10-25T23:00", "2025-10-26T00:30"), ("2025-10-26T01:00", "2025-10-26T01:30")],
        ),
        ("Europe/Berlin", "02:00-03:00", [("2025-10-26T00:00", "2025-10-26T02:00")]),
        # 02:00 -> 03:00 on 2025-03-09, 02:00 -> 01:00 on 2025-11-02
        ("America/New_York", "02:00-03:00", []),
        ("America/New_York", "01:00-03:30", [("2025-03-09T06:00", "2025-03-09T07:30")]),
        (
            "America/New_York",
            "01:15-01:45",
            [("2025-11-02T05:15", "2025-11-02T05:45"), ("2025-11-02T06:15", "2025-11-02T06:45")],
        ),
        # half an hour: 02:00 -> 02:30 on 2025-10-05, 02:00 -> 01:30 on 2025-04-06
        ("Australia/Lord_Howe", "02:00-02:30", []),
        ("Australia/Lord_Howe", "01:45-02:45", [("2025-10-04T15:15", "2025-10-04T15:45")]),
        (
            "Australia/Lord_Howe",
            "01:30-01:45",
            [("2025-04-05T14:30", "2025-04-05T14:45"), ("2025-04-05T15:00", "2025-04-05T15:15")],
        ),
    ],
)
def test_the_nights_on_which_the_clocks_change(zone: str, hours: str, spans: list[tuple[str, str]]) -> None:
    spring = {"Europe/Berlin": "2025-03-29", "America/New_York": "2025-03-08", "Australia/Lord_Howe": "2025-10-04"}
    evening = local(f"{spans[0][0][:10] if spans else spring[zone]}T00:00", "UTC") - timedelta(days=1, hours=10)
    window = CallingWindow.parse(f"sun {hours}", zone)

    found = []
    at = max(evening, local("2025-03-01", "UTC"))
    while isinstance(opening := window.opening((), at), Closed):
        assert opening.until is not None
        last = window.opening((), opening.until)
        assert isinstance(last, Open)
        assert last.since == opening.until
        assert last.until is not None
        if last.until > evening + timedelta(days=4):
            break
        found.append((last.since, last.until))
        at = last.until

    assert found == [(utc(start), utc(end)) for start, end in spans]


# --- the contact's zones -------------------------------------------------------------------------


def test_several_zones_are_open_only_while_all_of_them_are() -> None:
    window = CallingWindow.parse("mon-fri 09:00-17:00", "contact")
    zones = ("America/New_York", "America/Los_Angeles")

    assert window.opening(zones, utc("2025-01-06T16:59:59")) == Closed(
        until=utc("2025-01-06T17:00"), reason="outside_window"
    )
    assert window.opening(zones, utc("2025-01-06T17:00")) == Open(
        since=utc("2025-01-06T17:00"), until=utc("2025-01-06T22:00")
    )
    assert window.opening(zones, utc("2025-01-06T22:00")) == Closed(
        until=utc("2025-01-07T17:00"), reason="outside_window"
    )


def test_a_number_that_may_ring_anywhere_between_guam_and_bermuda_is_never_called() -> None:
    window = CallingWindow.parse("daily 09:00-17:00", "contact")

    assert len(US_ZONES) == 40
    assert window.opening(US_ZONES, utc("2025-01-06T17:00")) == Closed(until=None, reason="never_open")


@pytest.mark.parametrize(
    "zones",
    [(), ("",), ("Mars/Olympus",), ("Europe",), ("../Europe/Berlin",), ("/etc/localtime",), ("localtime",)]
    + [("Factory",), ("right/UTC",), ("Etc/Unknown",), ("a\0b",), ("Europe/Berlin", "Mars/Olympus")],
)
def test_an_unknown_zone_of_the_contact_means_do_not_call(zones: tuple[str, ...]) -> None:
    window = CallingWindow.parse("daily 00:00-24:00", "contact")

    assert window.opening(zones, utc("2025-01-06T12:00")) == Closed(until=None, reason="zone_unknown")


def test_the_contacts_zones_do_not_count_where_the_window_has_its_own() -> None:
    window = CallingWindow.parse("daily 09:00-17:00", "Europe/Berlin")

    assert isinstance(window.opening(("Mars/Olympus",), utc("2025-01-06T12:00")), Open)


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("mon-fri 09:00-17:00", [({0, 1, 2, 3, 4}, 540, 1020)]),
        ("mon-fri 09:00-17:00, sat 10:00-14:00", [({0, 1, 2, 3, 4}, 540, 1020), ({5}, 600, 840)]),
        ("mon-fri 09:00-17:00;sat 10:00-14:00;", [({0, 1, 2, 3, 4}, 540, 1020), ({5}, 600, 840)]),
        ("mon,wed,fri 09:00-12:00", [({0, 2, 4}, 540, 720)]),
        ("mon, wed-thu, sat 09:00-12:00, sun 10:00-11:00", [({0, 2, 3, 5}, 540, 720), ({6}, 600, 660)]),
        ("mon wed 09:00-12:00", [({0, 2}, 540, 720)]),
        ("fri-mon 9:00-12:00", [({4, 5, 6, 0}, 540, 720)]),
        ("sun-mon 09:00-12:00", [({6, 0}, 540, 720)]),
        ("daily 00:00-24:00", [(set(range(7)), 0, 1440)]),
        ("ALL 08:00-20:00", [(set(range(7)), 480, 1200)]),
        ("mon-sun 08:00-20:00", [(set(range(7)), 480, 1200)]),
        ("Monday \u2013 FRIDAY 09:00 \u2013 17:00", [({0, 1, 2, 3, 4}, 540, 1020)]),
        ("tues,thurs 09:00-17:00", [({1, 3}, 540, 1020)]),
        ("sat 22:00-02:00", [({5}, 1320, 120)]),
        ("sat 22:00-00:00", [({5}, 1320, 1440)]),
    ],
)
def test_text_becomes_slots(text: str, slots: list[tuple[set[int], int, int]]) -> None:
    assert CallingWindow.parse(text, "UTC").slots == tuple(
        Slot(days=frozenset(days), start_minute=start, end_minute=end) for days, start, end in slots
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the text is empty"),
        (" , ; ", "the text is empty"),
        ("mon-fry 09:00-17:00", "unknown day 'fry'"),
        ("mo 09:00-17:00", "unknown day 'mo'"),
        ("- 09:00-17:00", "is no pair of hours"),
        ("mon-\u2013tue 09:00-17:00", "unknown day '-tue'"),
        ("mon 99:99-17:00", "'99:99' in 'mon 99:99-17:00' is no time of day"),
        ("mon 09:00-25:00", "'25:00'"),
        ("mon 09:60-17:00", "'09:60'"),
        ("mon 09:00-24:01", "'24:01'"),
        ("mon 24:00-09:00", "can only end a slot"),
        ("mon 09:00-09:00", "ends as it starts"),
        ("mon 00:00-00:00", "ends as it starts"),
        ("mon 09:00", "is no pair of hours"),
        ("mon 9-17", "'9' in 'mon 9-17' is no time of day"),
        ("mon 9am-5pm", "is no pair of hours"),
        ("mon 09:00-12:00 13:00-17:00", "separate slots with a comma"),
        ("09:00-17:00", "names no day; write e.g. 'mon-fri 09:00-17:00'"),
        ("mon 09:00-12:00, 13:00-17:00", "'13:00-17:00' names no day"),
        ("mon-fri", "'mon-fri' has no hours"),
        ("mon 09:00-12:00, tue", "'tue' has no hours"),
        ("mon; tue 09:00-12:00", "'mon' has no hours"),
        ("mon \u0663:00-17:00", "is no pair of hours"),
    ],
)
def test_text_that_cannot_be_meant_is_refused_by_its_faulty_part(text: str, says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        CallingWindow.parse(text, "UTC")

    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("timezone", "says"),
    [
        ("Mars/Olympus", "'Mars/Olympus' is no known time zone"),
        ("europe/berlin", "did you mean 'Europe/Berlin'"),
        ("America/New York", "'America/New_York'"),
        ("localtime", "write an IANA name"),
        ("/etc/localtime", "no known time zone"),
        ("../UTC", "no known time zone"),
        ("Europe", "no known time zone"),
        ("", "no known time zone"),
    ],
)
def test_an_unknown_time_zone_of_the_window_is_refused(timezone: str, says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        CallingWindow.parse("mon-fri 09:00-17:00", timezone)

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("days", "start_minute", "end_minute"),
    [({7}, 0, 60), (set(), 0, 60), ({-1}, 0, 60), ({0}, -1, 60), ({0}, 1440, 60), ({0}, 60, 1441), ({0}, 60, 0)]
    + [({0}, 60, 60)],
)
def test_a_slot_outside_the_day_is_refused(days: set[int], start_minute: int, end_minute: int) -> None:
    with pytest.raises(Invalid):
        Slot(days=frozenset(days), start_minute=start_minute, end_minute=end_minute)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (CallingWindow(), "any hour"),
        (CallingWindow.parse("mon-fri 9:00-17:00", "Europe/Berlin"), "mon-fri 09:00-17:00 Europe/Berlin"),
        (
            CallingWindow.parse("wed,mon,fri 09:00-24:00; fri-mon 22:00-02:00", "contact"),
            "mon,wed,fri 09:00-24:00, fri-mon 22:00-02:00 in the zone of the contact",
        ),
        (CallingWindow.parse("mon-sun 08:00-20:00", "UTC"), "daily 08:00-20:00 UTC"),
        (
            CallingWindow.parse("mon 08:00-20:00, sat 10:00-14:00, tue 08:00-20:00", "UTC"),
            "mon-tue 08:00-20:00, sat 10:00-14:00 UTC",
        ),
    ],
)
def test_a_window_reads_aloud(window: CallingWindow, says: str) -> None:
    assert window.describe() == says


def test_a_window_that_is_switched_off_is_any_hour_and_keeps_its_slots() -> None:
    window = replace(CallingWindow.parse("mon 09:00-10:00", "Europe/Berlin"), enabled=False)

    assert window.opening((), datetime(2025, 3, 4, 3, 0, tzinfo=UTC)) == Open(since=None, until=None)
    assert window.describe() == "any hour"
    assert window.to_json()["enabled"] is False
    assert CallingWindow.from_json(window.to_json()) == window


# --- JSON ----------------------------------------------------------------------------------------


def test_json_is_readable() -> None:
    assert CallingWindow.parse("mon-tue 22:00-24:00", "contact").to_json() == {
        "timezone": "contact",
        "slots": [{"days": [0, 1], "start": "22:00", "end": "24:00"}],
    }


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"timezone": "UTC"},
        {"slots": []},
        {"timezone": "UTC", "slots": None},
        {"timezone": "UTC", "slots": "mon"},
        {"timezone": "UTC", "slots": [{}]},
        {"timezone": "UTC", "slots": [], "time_slots": []},
        {"timezone": "UTC", "slots": [], "enabled": "no"},
        {"timezone": None, "slots": []},
        {"timezone": "Mars/Olympus", "slots": []},
        {"timezone": "UTC", "slots": [{"days": [0], "start": "09:00"}]},
        {"timezone": "UTC", "slots": [{"days": [], "start": "09:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [7], "start": "09:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [True], "start": "09:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": ["mon"], "start": "09:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": 0, "start": "09:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [0], "start": 540, "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [0], "start": "99:99", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [0], "start": "09:00-10:00", "end": "17:00"}]},
        {"timezone": "UTC", "slots": [{"days": [0], "start": "09:00", "end": "09:00"}]},
    ],
)
def test_malformed_json_is_refused_and_never_any_hour(data: object) -> None:
    with pytest.raises(Invalid):
        CallingWindow.from_json(data)  # type: ignore[arg-type]


# --- properties ----------------------------------------------------------------------------------

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",  # back and forth within one month
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Asia/Tehran",
    "America/Sao_Paulo",
    "Antarctica/Troll",  # two hours
]
# The nights on which some of these zones change their clocks, beside the whole decade.
CHANGES = ["2025-03-30", "2025-03-09", "2025-11-02", "2025-10-26", "2025-04-06", "2025-10-05", "2023-04-23"]
INSTANTS = st.one_of(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 12, 31), timezones=st.just(UTC)),
    st.builds(
        lambda day, seconds: utc(day) + timedelta(seconds=seconds),
        st.sampled_from(CHANGES),
        st.integers(min_value=-2 * 86_400, max_value=2 * 86_400),
    ),
)
DAYS = st.frozensets(st.integers(0, 6), min_size=1)
SLOTS = (
    st.tuples(DAYS, st.integers(0, 1439), st.integers(1, 1440))
    .filter(lambda parts: parts[1] != parts[2])
    .map(lambda parts: Slot(days=parts[0], start_minute=parts[1], end_minute=parts[2]))
)
WINDOWS = st.builds(
    lambda slots, timezone: CallingWindow(slots=tuple(slots), timezone=timezone),
    st.lists(SLOTS, max_size=4),
    st.sampled_from([*ZONES, "contact"]),
)
CONTACT_ZONES = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3).map(tuple)


def open_by_the_wall_clock(window: CallingWindow, zones: tuple[str, ...], at: datetime) -> bool:
    """The definition, instant by instant."""
    for zone in zones if window.timezone == "contact" else (window.timezone,):
        wall = at.astimezone(ZoneInfo(zone))
        minute, today, yesterday = wall.hour * 60 + wall.minute, wall.weekday(), (wall.weekday() - 1) % 7
        if not any(
            (today in slot.days and slot.start_minute <= minute < slot.end_minute)
            if slot.start_minute < slot.end_minute
            else (today in slot.days and minute >= slot.start_minute)
            or (yesterday in slot.days and minute < slot.end_minute)
            for slot in window.slots
        ):
            return False
    return True


@settings(max_examples=1500, deadline=None)
@given(WINDOWS.filter(lambda window: window.slots), CONTACT_ZONES, INSTANTS)
def test_it_agrees_with_the_wall_clock_and_flips_exactly(
    window: CallingWindow, zones: tuple[str, ...], now: datetime
) -> None:
    opening = window.opening(zones, now)
    is_open = isinstance(opening, Open)

    assert is_open is open_by_the_wall_clock(window, zones, now)
    if isinstance(opening, Open) and opening.since is not None:
        assert opening.since <= now
        assert open_by_the_wall_clock(window, zones, opening.since)
        assert not open_by_the_wall_clock(window, zones, opening.since - timedelta(seconds=1))
    if opening.until is not None:
        assert now < opening.until
        assert open_by_the_wall_clock(window, zones, opening.until - timedelta(seconds=1)) is is_open
        assert open_by_the_wall_clock(window, zones, opening.until) is not is_open
    # nothing flips in between, at a granularity that the shortest slot of most examples exceeds
    end = opening.until or now + timedelta(days=15)
    for step in range(40):
        assert open_by_the_wall_clock(window, zones, now + (end - now) * step / 40) is is_open


@given(WINDOWS)
def test_json_comes_back_the_same(window: CallingWindow) -> None:
    assert CallingWindow.from_json(window.to_json()) == window


@given(WINDOWS.filter(lambda window: window.slots and window.timezone != "contact"))
def test_what_is_shown_can_be_typed_in(window: CallingWindow) -> None:
    typed = CallingWindow.parse(window.describe().removesuffix(window.timezone), window.timezone)
    assert _days_and_hours(typed) == _days_and_hours(window)


def _days_and_hours(window: CallingWindow) -> set[tuple[int, int, int]]:
    return {(day, slot.start_minute, slot.end_minute) for slot in window.slots for day in slot.days}


@given(st.text(alphabet="monfri-,; 0123456789:\u2013satdy", max_size=40))
def test_any_text_is_a_window_or_invalid(text: str) -> None:
    with suppress(Invalid):
        assert CallingWindow.parse(text, "UTC").slots


def test_asking_again_is_cheap() -> None:
    window = CallingWindow.parse("mon-fri 09:00-12:00, mon-fri 13:00-17:00, sat 10:00-14:00", "contact")
    now = utc("2025-01-06T12:00")
    window.opening(US_ZONES[:3], now)

    started = time.perf_counter()
    for _ in range(10_000):
        window.opening(US_ZONES[:3], now)
    each = (time.perf_counter() - started) / 10_000

    assert each < 100e-6  # 3 µs measured; room for a busy machine
