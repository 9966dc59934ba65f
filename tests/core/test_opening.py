from datetime import UTC, datetime

from dialplane.core.opening import ZoneHours, hours_of
from dialplane.core.window import CONTACT, CallingWindow

EIGHT_IN_NEW_YORK = datetime(2026, 12, 1, 13, 0, tzinfo=UTC)  # a Tuesday; seven in Chicago, five in Los Angeles


def test_zones_of_contacts_are_open_or_open_later_and_those_that_change_together_are_told_together() -> None:
    window = CallingWindow.parse("mon-fri 08:00-09:00", CONTACT)
    zones = [("America/Los_Angeles",), ("America/New_York",), ("America/Toronto",), ("America/Chicago",), ()]

    assert hours_of(window, zones, EIGHT_IN_NEW_YORK) == [
        ZoneHours(
            zones=["America/New_York", "America/Toronto"],
            is_open=True,
            changes_at=datetime(2026, 12, 1, 14, tzinfo=UTC),
        ),
        ZoneHours(zones=["America/Chicago"], is_open=False, changes_at=datetime(2026, 12, 1, 14, tzinfo=UTC)),
        ZoneHours(zones=["America/Los_Angeles"], is_open=False, changes_at=datetime(2026, 12, 1, 16, tzinfo=UTC)),
        ZoneHours(zones=["unknown"], is_open=False, changes_at=None),
    ]


def test_a_number_in_two_zones_is_open_where_both_are() -> None:
    window = CallingWindow.parse("mon-fri 08:00-09:30", CONTACT)

    (hours,) = hours_of(window, [("America/Chicago", "America/New_York")], EIGHT_IN_NEW_YORK)

    assert hours == ZoneHours(
        zones=["America/Chicago and America/New_York"], is_open=False, changes_at=datetime(2026, 12, 1, 14, tzinfo=UTC)
    )


def test_the_zone_of_the_campaign_counts_where_it_has_one_and_any_hour_has_none() -> None:
    window = CallingWindow.parse("daily 09:00-10:00", "America/New_York")

    (hours,) = hours_of(window, [("Europe/Berlin",)], EIGHT_IN_NEW_YORK)

    assert (hours.zones, hours.is_open) == (["America/New_York"], False)
    assert hours_of(CallingWindow(), [("Europe/Berlin",)], EIGHT_IN_NEW_YORK) == []
