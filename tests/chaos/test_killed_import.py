"""kill -9 in the middle of an import, again and again: `--resume` finishes it, and nobody is in it twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from stage import DIALPLANE, Process, Stage, scale, seed

ROWS = round(120_000 * scale())
DUPLICATES, BAD = 500, 300
KILLS = 5
PATIENCE_SECONDS = 120 * max(1, scale())


def test_an_import_killed_again_and_again_is_finished_without_a_double_contact(stage: Stage) -> None:
    chosen = seed()
    print(f"DIALPLANE_CHAOS_SEED={chosen}")
    chance = random.Random(chosen)
    good = [f"+1212{2_000_000 + i}" for i in range(ROWS - DUPLICATES - BAD)]
    rows = [*good, *chance.choices(good, k=DUPLICATES), *("+1212 no number" for _ in range(BAD))]
    chance.shuffle(rows)
    path = stage.home.parent / "large.csv"
    path.write_text("\n".join(["phone_number", *rows]) + "\n", encoding="utf-8")
    stage.campaign_id = 1

    report = ("--report", str(stage.home.parent / "report.csv"))
    process = stage.start(*DIALPLANE, "run", str(path), "--start-at", "2099-01-01T00:00:00Z", *report, name="import")
    at_rows = sorted(chance.sample(range(0, ROWS * 9 // 10, 5000), KILLS))
    for kill, rows_read in enumerate(at_rows):
        wait(process, lambda rows_read=rows_read: imported(stage) >= rows_read)
        time.sleep(chance.uniform(0, 0.1))
        stage.kill(process)
        if kill == KILLS // 2 and stage.database_url is None:
            stage.kill_database()
        process = stage.resume()
    wait(process, lambda: stage.state() == "scheduled")

    assert imported(stage) < 0, "the file is still being imported"
    assert stage.ask("SELECT count(*) FROM contact") == len(good)
    assert stage.ask("SELECT count(DISTINCT to_number) FROM contact") == len(good)
    assert stage.ask("SELECT count(DISTINCT sequence) FROM contact") == len(good)
    assert stage.ask("SELECT total FROM campaign") == len(good)
    assert stage.ask("SELECT count(*) FROM reject") == DUPLICATES + BAD
    assert stage.ask("SELECT contacts + rejects FROM contact_file") == ROWS
    assert stage.ask("SELECT count(*) FROM contact_file") == 1


def imported(stage: Stage) -> int:
    """Rows that are in the store; -1 once it is all, or before it has begun."""
    found = stage.try_to_ask("SELECT rows_read FROM contact_file WHERE state = 'importing'")
    return -1 if found is None else int(found)


def wait(process: Process, happened: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert process.alive, process.said()
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
