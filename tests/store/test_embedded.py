"""Real servers in temporary folders: started, shared, killed, recovered. Passes as root and as an ordinary user."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dialplane.errors import EnvironmentFault
from dialplane.store.embedded import Attachment, attach, binaries, describe, folders, limit_logs, placement, postmaster

OLDER = "16"  # comes with the wheel besides the version in use
older_postgres = pytest.mark.skipif(
    OLDER not in {found.major for found in binaries.all_binaries()},
    reason=f"the wheel of PostgreSQL has no PostgreSQL {OLDER}",
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as another user")


def as_ordinary_user(check: Callable[[], None], folder: Path) -> None:
    """Run `check` as a user who may not write everywhere; `folder` becomes theirs."""
    if os.geteuid() != 0:
        check()
        return
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            check()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


ATTACH_AND_WAIT = """
import sys, time
from pathlib import Path
from dialplane.store.embedded import attach
attachment = attach(Path(sys.argv[1]))
print("attached", flush=True)
sys.stdin.readline()
attachment.leave()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not tmp_path: as root that one is 0700, so that the server's user cannot enter it."""
    made = Path(tempfile.mkdtemp(prefix="dp-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / 'odd, "home"'


@pytest.fixture
def state_root(folder: Path) -> Path:
    return folder / "state"


@pytest.fixture
def private_home(folder: Path) -> Path:
    private = folder / "private"
    private.mkdir(mode=0o700)
    return private / "home"


@contextmanager
def attached(home: Path, **arguments: Any) -> Iterator[Attachment]:
    attachment = attach(home, **arguments)
    try:
        yield attachment
    finally:
        attachment.leave()


@contextmanager
def attached_elsewhere(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = start_elsewhere(home)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "attached\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def start_elsewhere(home: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ATTACH_AND_WAIT, str(home)]
    return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask(attachment: Attachment, sql: str) -> Any:
    async def once() -> Any:
        connection = await asyncpg.connect(**attachment.connect_arguments)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(once())


def server_pid(home: Path, **arguments: Any) -> int:
    pid = describe(home, **arguments).pid
    assert pid is not None
    return pid


def kill_server(home: Path) -> None:
    os.kill(server_pid(home), signal.SIGKILL)
    wait_until(lambda: describe(home).pid is None)


def own_data_folder(home: Path) -> Path:
    """Where a cluster would be, and of the user that would run it."""
    data = home / "postgres" / "data"
    account = placement.locate(home).account
    data.mkdir(parents=True)
    os.chown(data, account.uid, account.gid)
    return data


def wait_until(fact: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_first_starts_it_and_the_last_stops_it(home: Path) -> None:
    attachment = attach(home)
    pid = server_pid(home)

    assert ask(attachment, "SELECT current_user::text") == "dialplane"
    attachment.leave()
    attachment.leave()

    assert describe(home).pid is None
    assert subprocess.run(["kill", "-0", str(pid)], stderr=subprocess.DEVNULL, check=False).returncode != 0


@pytest.mark.parametrize("in_another_process", [False, True])
def test_leaving_does_not_stop_it_while_somebody_else_is_attached(home: Path, in_another_process: bool) -> None:
    first = attach(home)
    with attached_elsewhere(home) if in_another_process else attached(home):
        pid = server_pid(home)
        first.leave()
        assert server_pid(home) == pid
        with attached(home) as third:
            assert ask(third, "SELECT 1") == 1


def test_it_commits_durably_and_is_reached_by_its_private_socket_alone(home: Path) -> None:
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "server_encoding": "UTF8",
        "lc_collate": "C",
        "TimeZone": "UTC",
        "max_connections": "200",
    }
    with attached(home) as attachment:
        found = {
            name: ask(attachment, f"SELECT current_setting('{name}', true)") for name in wanted if name != "lc_collate"
        }
        collation = ask(attachment, "SELECT datcollate FROM pg_database WHERE datname = current_database()")
        assert found | {"lc_collate": collation} == wanted
        assert mode(describe(home).socket_folder) == 0o700
        with pytest.raises(asyncpg.PostgresError):
            asyncio.run(asyncpg.connect(**{**attachment.connect_arguments, "user": "somebody"}))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_has_its_own_session_and_none_of_our_locks(home: Path) -> None:
    with attached(home):
        pid = server_pid(home)
        opened = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=False).stdout

        assert os.getsid(pid) == pid != os.getsid(0)
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
        assert "server.lock" in opened
        assert "users.lock" not in opened
        assert "start.lock" not in opened


def test_four_commands_at_once_make_one_cluster(home: Path) -> None:
    commands = [start_elsewhere(home) for _ in range(4)]
    for command in commands:
        assert command.stdout is not None
        assert command.stdout.readline() == "attached\n"
    pid = server_pid(home)

    for command in commands[:3]:
        command.communicate("leave\n")
    assert server_pid(home) == pid
    commands[3].communicate("leave\n")

    assert [command.returncode for command in commands] == [0, 0, 0, 0]
    assert describe(home).pid is None


def test_a_server_whose_users_were_all_killed_is_taken_over(home: Path) -> None:
    with attached_elsewhere(home) as command:
        pid = server_pid(home)
        command.kill()
        command.wait()
    assert server_pid(home) == pid

    with attached(home) as attachment:
        assert ask(attachment, "SELECT 1") == 1
        assert server_pid(home) == pid

    assert describe(home).pid is None


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    with attached(home) as attachment:
        ask(attachment, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server_pid(home)
        attachment.ensure_running()
        assert server_pid(home) == pid

        kill_server(home)
        attachment.ensure_running()

        assert ask(attachment, "SELECT answer FROM kept") == 42
        assert server_pid(home) != pid


def test_the_next_command_recovers_a_killed_server_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PATIENCE_SECONDS", 0.0)
    with attached_elsewhere(home), attached(home) as attachment:
        ask(attachment, "CREATE TABLE big AS SELECT n, repeat('x', 100) FROM generate_series(1, 200000) AS n")
        kill_server(home)
        attachment._drop_users_lock()
    told: list[str] = []

    with attached(home, on_wait=told.append) as attachment:
        assert ask(attachment, "SELECT count(*) FROM big") == 200_000

    assert any("recovering" in text for text in told)


def test_pid_files_that_name_another_living_process_are_no_server(home: Path) -> None:
    with attached(home) as attachment:
        ask(attachment, "CREATE TABLE kept AS SELECT 42 AS answer")
        account = placement.locate(home).account
        other = subprocess.Popen(["sleep", "60"], **account.subprocess_arguments())
        try:
            kill_server(home)
            pid_files = [attachment.folder / "data" / "postmaster.pid", attachment.folder / "s" / ".s.PGSQL.5432.lock"]
            assert "ready" in pid_files[0].read_text()
            for path in pid_files:
                path.write_text("\n".join([str(other.pid), *path.read_text().splitlines()[1:]]))

            with attached(home) as second:
                assert ask(second, "SELECT answer FROM kept") == 42
            assert other.poll() is None
        finally:
            other.kill()
            other.wait()


def test_a_server_that_cannot_start_is_told_with_its_last_words(home: Path) -> None:
    with attached(home) as attachment:
        settings = attachment.folder / "data" / "postgresql.conf"
    settings.write_text("no_such_setting = 1\n")

    with pytest.raises(EnvironmentFault, match='unrecognized configuration parameter "no_such_setting"'):
        attach(home)


def test_a_cluster_of_another_major_version_is_refused(home: Path) -> None:
    (own_data_folder(home) / "PG_VERSION").write_text("15\n")

    words = r"of PostgreSQL 15, .* uses PostgreSQL 18\. .*`dialplane backup FILE` of a release with PostgreSQL 15"
    with pytest.raises(EnvironmentFault, match=words):
        attach(home)
    with pytest.raises(EnvironmentFault, match="No PostgreSQL 15 for this platform comes with Dialplane"):
        attach(home, as_it_is=True)


@older_postgres
def test_a_cluster_of_an_older_version_whose_programs_came_along_is_opened_as_it_is_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before, _older_programs(before), attached(home) as attachment:
        ask(attachment, "CREATE TABLE kept (id bigint)")

    with pytest.raises(EnvironmentFault, match=f"of PostgreSQL {OLDER}, .*Make a backup with `dialplane backup FILE`,"):
        attach(home)

    with attached(home, as_it_is=True) as attachment:
        assert ask(attachment, "SELECT count(*) FROM kept") == 0
        assert str(ask(attachment, "SHOW server_version")).startswith(f"{OLDER}.")
        with pytest.raises(EnvironmentFault, match=f"of PostgreSQL {OLDER}"):
            attach(home)


@contextmanager
def _older_programs(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a release did that brought the older version alone."""
    older = binaries.find_binaries(major=OLDER)
    patch.setattr(placement, "find_binaries", lambda **_: older)
    yield


def test_a_folder_that_is_no_cluster_is_left_alone(home: Path) -> None:
    data = own_data_folder(home)
    (data / "thesis.txt").write_text("mine")

    with pytest.raises(EnvironmentFault, match="is not a PostgreSQL data folder"):
        attach(home)

    assert [path.name for path in data.iterdir()] == ["thesis.txt"]


def test_an_initdb_killed_half_way_leaves_nothing_harmful(home: Path) -> None:
    command = start_elsewhere(home)
    wait_until(lambda: list((home / "postgres").glob("data.new-*/PG_VERSION")))
    command.kill()
    command.communicate()
    (home / "postgres" / "data.new-0").mkdir()

    with attached(home) as attachment:
        assert ask(attachment, "SELECT 1") == 1
        assert not (home / "postgres" / "data.new-0").exists()


def test_a_log_older_than_a_week_is_removed(home: Path) -> None:
    with attached(home):
        old = describe(home).log_folder / "postgresql-Old.log"
    old.write_text("last week")
    os.utime(old, (time.time() - 8 * 86_400,) * 2)

    with attached(home):
        assert [path.name for path in describe(home).log_folder.iterdir()] == [
            time.strftime("postgresql-%a.log", time.gmtime())
        ]


def test_a_log_that_has_grown_too_large_is_emptied_while_the_server_goes_on_writing_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postmaster, "LARGEST_LOG_BYTES", 50_000)
    with attached(home) as attachment:
        (log,) = describe(home).log_folder.iterdir()
        assert limit_logs(home) == []
        write_log(attachment, "x" * 60_000)
        wait_until(lambda: log.stat().st_size > 60_000)

        assert limit_logs(home) == [log]

        assert log.stat().st_size == 0
        write_log(attachment, "and so on")
        wait_until(lambda: "and so on" in log.read_text())
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def write_log(attachment: Attachment, text: str) -> None:
    ask(attachment, f"DO $$ BEGIN RAISE LOG '{text}'; END $$")


def test_a_long_path_gets_a_short_socket_folder(folder: Path) -> None:
    home = folder / ("deep-" * 20)
    socket_folder = describe(home).socket_folder
    try:
        with attached(home) as attachment:
            assert ask(attachment, "SELECT 1") == 1
            assert attachment.connect_arguments["host"] == str(socket_folder)
        assert socket_folder.parent == Path("/tmp")
        assert mode(socket_folder) == 0o700
    finally:
        shutil.rmtree(socket_folder)


@pytest.mark.parametrize("trap", ["open to others", "symbolic link"])
def test_a_socket_folder_that_somebody_else_prepared_is_refused(folder: Path, trap: str) -> None:
    home = folder / ("deep-" * 20)
    socket_folder = describe(home).socket_folder
    if trap == "symbolic link":
        target = folder / "target"
        target.mkdir(mode=0o700)
        socket_folder.symlink_to(target)
    else:
        socket_folder.mkdir()
        socket_folder.chmod(0o777)
    try:
        with pytest.raises(EnvironmentFault, match="with mode 0700"):
            attach(home)
    finally:
        socket_folder.unlink() if trap == "symbolic link" else socket_folder.rmdir()


def test_describe_says_what_there_is_and_makes_nothing(home: Path) -> None:
    found = describe(home)

    assert (found.folder, found.pid, found.cluster_version) == (home / "postgres", None, None)
    assert found.binaries_version.startswith("18.")
    assert (found.binaries_folder / "bin" / "postgres").exists()
    assert not home.exists()


def test_without_binaries_the_way_out_is_named() -> None:
    with pytest.raises(EnvironmentFault, match="Set DIALPLANE_DATABASE_URL"):
        binaries.find_binaries("no_such_wheel")


def test_a_full_disk_is_called_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    place = placement.prepare(placement.locate(home), folders.Waiting(None))
    full = subprocess.CompletedProcess([], 1, stdout='FATAL: could not write "pg_wal": No space left on device')
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: full)

    with pytest.raises(EnvironmentFault, match=r"The disk that holds .*postgres is full"):
        postmaster.Postmaster(place).ensure_running(folders.Waiting(None))


def test_a_home_that_cannot_be_written_is_refused(home: Path) -> None:
    home.mkdir(mode=0o500)

    def is_refused() -> None:
        for refused in (home, home / "below", Path("/usr")):
            with pytest.raises(EnvironmentFault, match=r"(cannot|may not) be written"):
                attach(refused)

    as_ordinary_user(is_refused, home)


@as_root
def test_as_root_the_server_is_another_user_and_root_still_connects(home: Path) -> None:
    with attached(home) as attachment:
        found = describe(home)
        assert found.run_as in placement.RUN_AS
        assert (attachment.folder / "data").owner() == found.run_as
        assert found.folder == home / "postgres"


@as_root
def test_a_home_the_servers_user_cannot_enter_gets_its_cluster_in_the_state_folder(
    private_home: Path, state_root: Path
) -> None:
    with attached(private_home, state_root=state_root) as attachment:
        found = describe(private_home, state_root=state_root)
        assert ask(attachment, "SELECT 1") == 1
        assert attachment.folder.parent == state_root
        assert (found.folder, found.pid is None) == (attachment.folder, False)
        assert f"cannot enter {private_home}" in found.reason

    assert mode(private_home.parent) == 0o700
    assert (private_home / "postgres.location").read_text().splitlines()[0] == attachment.folder.name


@as_root
def test_a_home_made_anew_does_not_go_on_with_the_deleted_ones_data(private_home: Path, state_root: Path) -> None:
    with attached(private_home, state_root=state_root) as attachment:
        ask(attachment, "CREATE TABLE old ()")
    shutil.rmtree(private_home)

    with attached(private_home, state_root=state_root) as attachment:
        assert ask(attachment, "SELECT to_regclass('old')::text") is None
    shutil.rmtree(attachment.folder)

    with pytest.raises(EnvironmentFault, match="which is gone"):
        attach(private_home, state_root=state_root)


@as_root
def test_a_cluster_is_not_replaced_when_its_user_is_locked_out(folder: Path, state_root: Path) -> None:
    home = folder / "home"
    own_data_folder(home)
    home.chmod(0o700)

    with pytest.raises(EnvironmentFault, match="can no longer enter"):
        attach(home, state_root=state_root)


@as_root
def test_binaries_the_servers_user_cannot_execute_are_copied_once(
    home: Path, folder: Path, state_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.find_binaries()
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    binaries.copy_binaries(wheel, hidden / "site")
    monkeypatch.setattr(placement, "find_binaries", lambda **_: wheel.moved(hidden / "site"))

    for _ in range(2):
        with attached(home, state_root=state_root) as attachment:
            assert ask(attachment, "SELECT 1") == 1
            assert describe(home, state_root=state_root).binaries_folder.is_relative_to(state_root)
        made = [path.name for path in state_root.glob("binaries-*")]

    assert made == [f"binaries-{wheel.version}"]
    assert mode(hidden) == 0o700
