"""Settings: the only reader of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from dialplane.core.retention import Retention, parse_kept
from dialplane.errors import Invalid

FEWEST_SECRET_CHARACTERS = 16
KEPT = {
    "events": "DIALPLANE_KEEP_EVENTS",
    "deliveries": "DIALPLANE_KEEP_DELIVERIES",
    "uploads": "DIALPLANE_KEEP_UPLOADS",
    "virtual_runs": "DIALPLANE_KEEP_VIRTUAL_RUNS",
    "contacts_files": "DIALPLANE_KEEP_CONTACTS_FILES",
    "carrier_logs": "DIALPLANE_KEEP_CARRIER_LOGS",
    "transcripts": "DIALPLANE_KEEP_TRANSCRIPTS",
    "recordings": "DIALPLANE_KEEP_RECORDINGS",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """home: the data folder. database_url: a PostgreSQL of one's own; None for the embedded one in the data folder.

    database_pooler: whether the way to it leads through a pooler in transaction mode.
    api_key: a first key for the default organization. secret_key: signs links and encrypts passwords of carriers; None:
    one that is made and kept in the data folder. public_url: how others reach the server, for links that it hands out
    and for carriers that tell of calls. worker_address: of this machine, where servers bring that to its workers.
    files_url: an object store such as s3://bucket/folder; None: the data folder.
    max_upload_bytes: of one contacts file. requests_per_second: of one API key; 0 is no limit.
    signup: whether a stranger may make an organization. examples: whether an organization begins with an example agent,
    the simulated carrier and a number. private_webhooks: whether webhooks may go to addresses of the own network.
    keep: how long what is needed for a time only is kept.
    """

    home: Path
    database_url: str | None = None
    database_pooler: bool = False
    api_key: str | None = None
    secret_key: str | None = None
    public_url: str | None = None
    worker_address: str = "127.0.0.1"
    files_url: str | None = None
    max_upload_bytes: int = 1_000_000_000
    requests_per_second: float = 100
    signup: bool = False
    examples: bool = True
    private_webhooks: bool = False
    keep: Retention = field(default_factory=Retention)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """From the variables that docs/operations.md lists. Raises Invalid, naming the variable."""
        home = Path(env.get("DIALPLANE_HOME") or platformdirs.user_data_dir("dialplane", appauthor=False)).expanduser()
        url = env.get("DIALPLANE_DATABASE_URL") or None
        if url is not None and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise Invalid("DIALPLANE_DATABASE_URL must look like postgresql://user:password@host:5432/database")
        secret_key = env.get("DIALPLANE_SECRET_KEY") or None
        if secret_key is not None and len(secret_key) < FEWEST_SECRET_CHARACTERS:
            raise Invalid(f"DIALPLANE_SECRET_KEY must have at least {FEWEST_SECRET_CHARACTERS} characters")
        return cls(
            home=home.absolute(),
            database_url=url,
            database_pooler=_switch(env, "DIALPLANE_DATABASE_POOLER", cls.database_pooler),
            api_key=env.get("DIALPLANE_API_KEY") or None,
            secret_key=secret_key,
            public_url=_web_address(env, "DIALPLANE_PUBLIC_URL"),
            worker_address=env.get("DIALPLANE_WORKER_ADDRESS") or cls.worker_address,
            files_url=env.get("DIALPLANE_FILES_URL") or None,
            max_upload_bytes=int(_number(env, "DIALPLANE_MAX_UPLOAD_BYTES", cls.max_upload_bytes, least=1)),
            requests_per_second=_number(env, "DIALPLANE_REQUESTS_PER_SECOND", cls.requests_per_second, least=0),
            signup=_switch(env, "DIALPLANE_SIGNUP", cls.signup),
            examples=_switch(env, "DIALPLANE_EXAMPLES", cls.examples),
            private_webhooks=_switch(env, "DIALPLANE_PRIVATE_WEBHOOKS", cls.private_webhooks),
            keep=Retention(**{field: parse_kept(name, env[name]) for field, name in KEPT.items() if env.get(name)}),
        )

    @property
    def files_folder(self) -> Path:
        return self.home / "files"

    @property
    def carrier_logs(self) -> Path:
        return self.home / "carrier-logs"

    @property
    def secret_file(self) -> Path:
        return self.home / "secret.key"


def _web_address(env: Mapping[str, str], name: str) -> str | None:
    text = env.get(name) or None
    if text is not None and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).netloc):
        raise Invalid(f"{name} must look like https://calls.example.org")
    return text.rstrip("/") if text else None


def _number(env: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = env.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not least <= number < float("inf"):
        raise Invalid(f"{name} must be a number of {least:g} or more, not '{text}'")
    return number


def _switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    words = {"": default, "1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if (text := env.get(name, "").strip().lower()) not in words:
        raise Invalid(f"{name} must be on or off, not '{text}'")
    return words[text]
