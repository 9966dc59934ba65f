"""Hours, retries and breaker in every documented spelling: tables of what is sent and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from dialplane.api.contracts.dograh.policies import RetryConfig, ScheduleConfig
from dialplane.api.contracts.dograh.policy_views import breaker_view, retry_view, schedule_view
from dialplane.api.contracts.dograh.requests import CreateCampaign, RedialCampaign, UpdateCampaign
from dialplane.core.campaign import Policies
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow

D = Disposition
LEAST = {"name": "spring", "workflow_id": 1, "source_type": "csv", "source_id": "campaigns/1/a.csv"}
WINDOW = CallingWindow.parse("mon 09:00-17:00; sun 10:00-14:00", "America/New_York")

# The same hours in every spelling.
HOURS: dict[str, dict[str, Any]] = {
    "schedule_config": {
        "schedule_config": {
            "enabled": True,
            "timezone": "America/New_York",
            "slots": [
                {"day_of_week": 0, "start_time": "09:00", "end_time": "17:00"},
                {"day_of_week": 6, "start_time": "10:00", "end_time": "14:00"},
            ],
        }
    },
    "calling_hours": {
        "calling_hours": {
            "timezone": "America/New_York",
            "slots": [
                {"day": "monday", "start": "09:00", "end": "17:00"},
                {"day": "Sunday", "start": "10:00", "end": "14:00"},
            ],
        }
    },
    "time_slots": {
        "timezone": "America/New_York",
        "time_slots": [
            {"day": 0, "start": "09:00", "end": "17:00"},
            {"day": "sun", "start": "10:00", "end": "14:00"},
        ],
    },
    "a zone beside the schedule": {
        "timezone": "America/New_York",
        "schedule_config": {
            "slots": [
                {"day_of_week": "mon", "start": "9:00", "end_time": "17:00"},
                {"day": "6", "start_time": "10:00", "end": "14:00"},
            ]
        },
    },
}


def create(**more: Any) -> CreateCampaign:
    return CreateCampaign.model_validate(LEAST | more)


def refused(**more: Any) -> str:
    """The message of the first fault, and where it is."""
    with pytest.raises(ValidationError) as refusal:
        create(**more)
    (first, *_) = refusal.value.errors()
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


# --- hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", HOURS)
def test_hours_mean_the_same_in_every_spelling(spelling: str) -> None:
    assert create(**HOURS[spelling]).policies().window == WINDOW
    assert UpdateCampaign.model_validate(HOURS[spelling]).over(Policies()).window == WINDOW


def test_two_spellings_that_agree_are_one() -> None:
    assert create(**HOURS["schedule_config"], **HOURS["calling_hours"]).policies().window == WINDOW


@pytest.mark.parametrize("given", [{}, {"schedule_config": None, "time_slots": None}])
def test_without_hours_it_is_any_hour(given: Mapping[str, Any]) -> None:
    assert create(**given).policies().window == CallingWindow()


SLOT = {"day": "monday", "start": "09:00", "end": "17:00"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"schedule_config": {"enabled": True, "slots": []}}, "slots must hold at least one slot"),
        ({"schedule_config": {}}, "slots must hold at least one slot"),
        ({"time_slots": []}, "slots must hold at least one slot"),
        ({"schedule_config": {"timezone": "Mars/Olympus", "slots": [SLOT]}}, "Invalid timezone: Mars/Olympus"),
        ({"timezone": "Mars/Olympus", "time_slots": [SLOT]}, "Invalid timezone: Mars/Olympus"),
        ({"timezone": "Mars/Olympus"}, "Invalid timezone: Mars/Olympus"),
        ({"schedule_config": {"enabled": False, "timezone": "Mars/Olympus"}}, "Invalid timezone: Mars/Olympus"),
        ({"time_slots": [{**SLOT, "end": "99:99"}]}, "'99:99' in '09:00-99:99' is no time of day"),
        ({"time_slots": [{**SLOT, "end": "09:00"}]}, "a slot that ends as it starts"),
        ({"time_slots": [{**SLOT, "day": "someday"}]}, "unknown day 'someday'"),
        ({"time_slots": [{**SLOT, "day": 7}]}, "unknown day '7'"),
        ({"time_slots": [{"start": "09:00", "end": "17:00"}]}, "day_of_week is missing"),
        ({"time_slots": [{"day": 0, "start": "09:00"}]}, "end_time is missing"),
        ({"time_slots": [{**SLOT, "start_time": "10:00"}]}, "start_time and start say the same thing and differ"),
        ({"time_slots": [{**SLOT, "day_of_week": 1}]}, "day_of_week and day say the same thing and differ"),
        ({"time_slots": [SLOT] * 51}, "at most 50 items"),
        (
            {"time_slots": [SLOT], "calling_hours": {"slots": [{**SLOT, "end": "18:00"}]}},
            "calling_hours and time_slots say the same thing and differ",
        ),
        (
            {"timezone": "Europe/Berlin", "schedule_config": {"timezone": "UTC", "slots": [SLOT]}},
            "timezone is 'Europe/Berlin' here and 'UTC' beside the slots",
        ),
    ],
)
def test_hours_that_cannot_be_meant_are_refused_and_never_any_hour(given: dict[str, Any], says: str) -> None:
    assert says in refused(**given)


def test_hours_may_go_over_midnight_and_by_the_contacts_own_zone() -> None:
    slots = [{"day": "friday", "start": "22:00", "end": "02:00"}]

    window = create(calling_hours={"timezone": "contact", "slots": slots}).policies().window

    assert window == CallingWindow.parse("fri 22:00-02:00", "contact")


def test_hours_that_are_switched_off_keep_their_slots() -> None:
    window = ScheduleConfig(enabled=False, timezone="UTC", slots=[SLOT]).window()  # type: ignore[list-item]

    assert window.any_hour
    view = schedule_view(window)
    assert view is not None
    assert (view.enabled, view.slots[0].start_time) == (False, "09:00")


def test_hours_are_shown_a_day_a_slot_and_come_back_the_same() -> None:
    view = schedule_view(CallingWindow.parse("mon,tue 9:00-17:00", "UTC"))

    assert view is not None
    assert view.model_dump() == {
        "enabled": True,
        "timezone": "UTC",
        "slots": [
            {"day_of_week": 0, "day": "monday", "start_time": "09:00", "end_time": "17:00"},
            {"day_of_week": 1, "day": "tuesday", "start_time": "09:00", "end_time": "17:00"},
        ],
    }
    again = ScheduleConfig.model_validate(view.model_dump()).window()
    assert schedule_view(again) == view
    assert schedule_view(CallingWindow()) is None


# --- retries --------------------------------------------------------------------------------------

ALL_THREE = frozenset({D.BUSY, D.NO_ANSWER, D.VOICEMAIL})


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({}, RetryPolicy(max_retries=2, delay_seconds=120, retry_on=ALL_THREE)),
        ({"max_retries": 5}, RetryPolicy(max_retries=5, retry_on=ALL_THREE)),
        ({"max_attempts": 3}, RetryPolicy(max_retries=2, retry_on=ALL_THREE)),
        ({"max_attempts": 3, "max_retries": 2}, RetryPolicy(max_retries=2, retry_on=ALL_THREE)),
        ({"retry_interval_minutes": 5}, RetryPolicy(delay_seconds=300, retry_on=ALL_THREE)),
        ({"retry_delay_seconds": 7200}, RetryPolicy(delay_seconds=7200, retry_on=ALL_THREE)),
        ({"delay_seconds": 0.5}, RetryPolicy(delay_seconds=0.5, retry_on=ALL_THREE)),
        ({"enabled": False}, RetryPolicy(enabled=False, retry_on=ALL_THREE)),
        ({"retry_on_voicemail": False}, RetryPolicy(retry_on=frozenset({D.BUSY, D.NO_ANSWER}))),
        ({"retry_on": ["unreachable"]}, RetryPolicy(retry_on=frozenset({D.UNREACHABLE}))),
        (
            {"retry_on": ["busy"], "retry_on_busy": True, "delays": {"busy": 10}, "backoff": 2},
            RetryPolicy(retry_on=frozenset({D.BUSY}), delays={D.BUSY: 10}, backoff=2),
        ),
    ],
)
def test_retries_in_every_spelling(given: dict[str, Any], policy: RetryPolicy) -> None:
    assert create(retry_config=given).policies().retry == policy


def test_without_a_word_on_retries_there_is_one_after_busy_and_no_answer() -> None:
    once = RetryPolicy(max_retries=1, delay_seconds=120, retry_on=frozenset({D.BUSY, D.NO_ANSWER}))

    assert create().policies().retry == once
    assert create(retry_config=None).policies().retry == once


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_retries": 11}, "retry_config.max_retries: Input should be less than or equal to 10"),
        ({"max_retries": -1}, "retry_config.max_retries: Input should be greater than or equal to 0"),
        ({"max_attempts": 0}, "retry_config.max_attempts: Input should be greater than or equal to 1"),
        ({"retry_delay_seconds": 29}, "retry_config.retry_delay_seconds: Input should be greater than or equal to 30"),
        ({"max_attempts": 3, "max_retries": 3}, "max_retries and max_attempts say the same thing and differ"),
        (
            {"retry_delay_seconds": 60, "retry_interval_minutes": 2},
            "retry_delay_seconds and retry_interval_minutes say the same thing and differ",
        ),
        ({"retry_on": ["busy"], "retry_on_voicemail": True}, "different things about voicemail"),
        ({"retry_on": ["unwanted"]}, "retry_on must not name unwanted"),
        ({"retry_on": ["bussy"]}, "unknown disposition 'bussy'"),
        ({"delays": {"unreachable": 5}}, "unreachable, which is not retried"),
        ({"max_retry": 3}, "retry_config: unknown key 'max_retry'; did you mean 'max_retries'?"),
        ({"retry_on_noanswer": True}, "unknown key 'retry_on_noanswer'; did you mean 'retry_on_no_answer'?"),
        ({"{odd}": 1}, "unknown key '{odd}'"),
    ],
)
def test_retries_that_cannot_be_meant_are_refused(given: dict[str, Any], says: str) -> None:
    assert says in refused(retry_config=given)


def test_retries_are_shown_as_they_are_and_come_back_the_same() -> None:
    shown = retry_view(RetryPolicy(max_retries=3, delay_seconds=90.5, retry_on=frozenset({D.BUSY}), enabled=False))

    assert shown.model_dump(include={"enabled", "max_retries", "retry_delay_seconds", "max_attempts"}) == {
        "enabled": False, "max_retries": 3, "retry_delay_seconds": 91, "max_attempts": 4,
    }  # fmt: skip
    assert (shown.retry_on_busy, shown.retry_on_no_answer, shown.retry_on_voicemail) == (True, False, False)
    whole = retry_view(RetryPolicy(delay_seconds=60))
    assert retry_view(RetryConfig.model_validate(whole.model_dump()).policy()) == whole


# --- breaker --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, (True, 0.5, 120, 5)),
        ({"failure_threshold": 50}, (True, 0.5, 120, 5)),
        ({"failure_threshold": 0.25, "window_seconds": 60, "min_calls_in_window": 3}, (True, 0.25, 60, 3)),
        ({"failure_threshold": 1}, (True, 1.0, 120, 5)),
        ({"enabled": False}, (False, 0.5, 120, 5)),
    ],
)
def test_the_breaker_is_on_and_a_percentage_is_a_share(given: dict[str, Any], shown: tuple[Any, ...]) -> None:
    view = breaker_view(create(circuit_breaker=given).policies().breaker)

    assert (view.enabled, view.failure_threshold, view.window_seconds, view.min_calls_in_window) == shown


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"failure_threshold": 101}, "less than or equal to 100"),
        ({"failure_threshold": 0}, "greater than 0"),
        ({"failure_threshold": float("nan")}, "finite number"),
        ({"window_seconds": 29}, "greater than or equal to 30"),
        ({"min_calls_in_window": 101}, "less than or equal to 100"),
        ({"treshold": 0.5}, "unknown key 'treshold'; did you mean 'failure_threshold'?"),
    ],
)
def test_a_breaker_that_cannot_be_meant_is_refused(given: dict[str, Any], says: str) -> None:
    assert says in refused(circuit_breaker=given)


# --- the rest of a request ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["source_id", "contacts_file_key", "source_url", "s3_key"])
def test_the_file_goes_by_each_of_its_names(name: str) -> None:
    body = CreateCampaign.model_validate({"name": "spring", "workflow_id": 1, name: "campaigns/1/a.csv"})

    assert body.source() == "campaigns/1/a.csv"


def test_an_uploads_url_stands_for_its_key() -> None:
    url = "https://calls.example.org/api/v1/files/campaigns/1/0a_b.csv?expires=1&signature=x"

    assert create(source_id=None, source_url=url).source() == "campaigns/1/0a_b.csv"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"contacts_file_key": "campaigns/1/b.csv"}, "source_id and contacts_file_key say the same thing and differ"),
        ({"source_id": None}, "source_id is missing"),
        ({"source_type": "sheet"}, "source_type: Input should be 'csv'"),
        ({"name": " "}, "name: String should match pattern"),
        ({"name": "x" * 256}, "at most 255 characters"),
        ({"workflow_id": 2**63}, "less than or equal to 9223372036854775807"),
        ({"max_concurrency": 0}, "greater than or equal to 1"),
        ({"default_region": "XX"}, "there is no region 'XX'"),
        ({"time_slot": []}, "unknown field 'time_slot'; did you mean 'time_slots'?"),
        ({"call_hours": {}}, "unknown field 'call_hours'; did you mean 'calling_hours'?"),
        ({"time_zone": "UTC"}, "unknown field 'time_zone'; did you mean 'timezone'?"),
        ({"rate_limit_per_second": 0}, "greater than or equal to 0.001"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(given: dict[str, Any], says: str) -> None:
    assert says in refused(**given)


def test_unknown_fields_beside_the_policies_are_taken_and_told() -> None:
    body = create(max_concurency=5, timezone="UTC")

    assert body.doubts() == [
        "unknown field 'max_concurency': did you mean 'max_concurrency'?",
        "timezone without hours restricts nothing: calls go out at any hour",
    ]


def test_a_change_leaves_alone_what_it_does_not_name() -> None:
    before = create(**HOURS["time_slots"], max_concurrency=7, rate_limit_per_second=2).policies()

    after = UpdateCampaign.model_validate({"retry_config": {"max_retries": 4}, "schedule_config": None}).over(before)

    assert (after.window, after.max_lines, after.cps, after.breaker) == (WINDOW, 7, 2, before.breaker)
    assert after.retry.max_retries == 4


@pytest.mark.parametrize(
    ("given", "dispositions"),
    [
        ({}, {D.BUSY, D.NO_ANSWER, D.VOICEMAIL}),
        ({"retry_on_voicemail": False}, {D.BUSY, D.NO_ANSWER}),
        ({"redial_statuses": ["no_answer", "busy"]}, {D.BUSY, D.NO_ANSWER}),
        ({"redial_statuses": ["telephony_no-answer", "voicemail_detected"]}, {D.NO_ANSWER, D.VOICEMAIL}),
        ({"redial_statuses": ["unreachable"]}, {D.UNREACHABLE}),
        ({"redial_statuses": ["busy"], "retry_on_busy": True}, {D.BUSY}),
    ],
)
def test_whom_a_redial_calls(given: dict[str, Any], dispositions: set[D]) -> None:
    assert set(RedialCampaign.model_validate(given).dispositions()) == dispositions


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"retry_on_voicemail": False, "retry_on_no_answer": False, "retry_on_busy": False}, "at least one of"),
        ({"redial_statuses": []}, "at least 1 item"),
        ({"redial_statuses": ["bussy"]}, "unknown outcome 'bussy'; did you mean 'busy'?"),
        ({"redial_statuses": ["unwanted"]}, "unknown outcome 'unwanted'"),
        ({"redial_statuses": ["busy"], "retry_on_busy": False}, "say different things"),
    ],
)
def test_a_redial_that_cannot_be_meant_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RedialCampaign.model_validate(given)
