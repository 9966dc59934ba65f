"""Webhooks as people manage them: where messages go, with which secret, and what became of them."""

from __future__ import annotations

import base64
import binascii
import json
import secrets as chance
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

from dialplane.core.webhook import STANDARD, TEST, check_kinds
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import MessageFormat, Sender
from dialplane.secrets import Secrets
from dialplane.store.postgres import Connection, Database, Row, rows, sql

PREFIX = "whsec_"
NEW_SECRET_BYTES, FEWEST_SECRET_BYTES, MOST_SECRET_BYTES = 32, 24, 64  # Source: Standard Webhooks
MOST_WEBHOOKS = 50  # of an organization
ROTATION = timedelta(hours=24)  # for which the old secret signs too
MOST_REDELIVERED = 10_000  # in one go
KEPT = timedelta(days=30)  # deliveries, for people to look at and send again
KEPT_OF_CAMPAIGNS = timedelta(days=7)  # webhooks of campaigns, after their end: by then the last try is over
OF_CAMPAIGNS = UUID("4e0a6c1f-90b7-4d53-8f0e-5d1c7a1e2b94")  # namespace of their uuids
PURGED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WithSecret:
    """A webhook and its new secret: the only time that it is shown."""

    webhook: Row
    secret: str


class Webhooks:
    """Webhooks of one organization."""

    def __init__(
        self,
        database: Database,
        organization_id: int,
        secrets: Secrets,
        sender: Sender,
        formats: Mapping[str, MessageFormat] | None = None,
    ) -> None:
        self._database = database
        self._formats = formats or {}
        self._secrets = secrets
        self._sender = sender
        self._of = {"organization_id": organization_id}

    # --- manage ------------------------------------------------------------------------------------------

    async def create(
        self,
        url: str,
        kinds: Sequence[str] = (),
        secret: str | None = None,
        *,
        format: str = STANDARD,
        active: bool = True,
    ) -> WithSecret:
        """It hears of what happens from now on. kinds: of messages of its format. Raises Invalid, Conflict."""
        self._check(format, url, kinds)
        secret = _secret(format, secret)
        async with self._database.transaction() as connection:
            if await sql.count_webhooks(connection, **self._of) >= MOST_WEBHOOKS:
                raise Conflict(f"an organization has at most {MOST_WEBHOOKS} webhooks: delete one that is not needed")
            made = await sql.create_webhook(
                connection,
                uuid=uuid4(),
                url=url,
                format=format,
                secret=self._secrets.encrypt(secret),
                kinds=list(kinds),
                active=active,
                campaign_id=None,
                headers="",
                timeout_seconds=None,
                now=datetime.now(UTC),
                **self._of,
            )
        return WithSecret(webhook=made, secret=secret)

    async def create_for_campaign(
        self,
        campaign_id: int,
        url: str,
        kinds: Sequence[str],
        *,
        format: str,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """One that hears of this campaign alone and goes with it; it is not among the organization's own.

        A campaign has one of each format: a second time nothing is made. Raises Invalid.
        """
        self._check(format, url, kinds)
        if (why := self._sender.header_objection(headers or {})) is not None:
            raise Invalid(why)
        async with self._database.connection() as connection:
            await sql.create_webhook(
                connection,
                uuid=uuid5(OF_CAMPAIGNS, f"{self._of['organization_id']}/{campaign_id}/{format}"),
                url=url,
                format=format,
                secret=self._secrets.encrypt(secret or ""),
                kinds=list(kinds),
                active=True,
                campaign_id=campaign_id,
                headers=self._secrets.encrypt(json.dumps(dict(headers))) if headers else "",
                timeout_seconds=timeout_seconds,
                now=datetime.now(UTC),
                **self._of,
            )

    async def get(self, webhook_id: int) -> Row:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            return _found(await sql.webhook(connection, webhook_id=webhook_id, **self._of), webhook_id)

    async def by_uuid(self, uuid: UUID, format: str) -> Row:
        """One of this format. Raises NotFound."""
        async with self._database.connection() as connection:
            return _found(await sql.webhook_with_uuid(connection, uuid=uuid, format=format, **self._of), uuid)

    async def page(self, *, format: str | None = None, before: int | None = None, limit: int = 100) -> list[Row]:
        """Newest first. format: None is any."""
        async with self._database.connection() as connection:
            return await rows(sql.webhooks_page(connection, format=format, before=before, limit=limit, **self._of))

    async def change(
        self, webhook_id: int, *, url: str | None = None, kinds: Sequence[str] | None = None, active: bool | None = None
    ) -> Row:
        """None leaves a thing as it is. Switched off, nothing is sent and what happens is not kept for it; what was
        pending waits. Switched on again, it hears of what happens from then on. Raises NotFound, Invalid.
        """
        async with self._locked(webhook_id) as (connection, before):
            self._check(before["format"], url, kinds or ())
            changed: Row = await sql.change_webhook(
                connection,
                webhook_id=webhook_id,
                url=before["url"] if url is None else url,
                kinds=before["kinds"] if kinds is None else list(kinds),
                active=before["active"] if active is None else active,
                now=before["now"],
                **self._of,
            )
        return changed

    async def delete(self, webhook_id: int) -> None:
        """Nothing further is sent; its deliveries go with the next purge. Raises NotFound."""
        async with self._locked(webhook_id) as (connection, webhook):
            await sql.archive_webhook(connection, webhook_id=webhook_id, now=webhook["now"], **self._of)

    async def rotate(self, webhook_id: int, secret: str | None = None) -> WithSecret:
        """A new secret; for a day the one before it signs as well. Raises NotFound, Invalid."""
        async with self._locked(webhook_id) as (connection, before):
            secret = _secret(before["format"], secret)
            changed = await sql.rotate_webhook_secret(
                connection,
                webhook_id=webhook_id,
                secret=self._secrets.encrypt(secret),
                old_secret_until=before["now"] + ROTATION,
                now=before["now"],
                **self._of,
            )
        return WithSecret(webhook=changed, secret=secret)

    # --- deliveries --------------------------------------------------------------------------------------

    async def test(self, webhook_id: int) -> Row:
        """The delivery of a message that says nothing. Raises NotFound, Conflict."""
        async with self._locked(webhook_id) as (connection, webhook):
            _active(webhook)
            message = {"type": TEST, "timestamp": webhook["now"].isoformat(), "data": {"webhook_id": webhook_id}}
            made = await rows(
                sql.add_deliveries(
                    connection,
                    webhook_id=webhook_id,
                    uuids=[uuid4()],
                    kinds=[TEST],
                    subjects=[f"webhook:{webhook_id}"],
                    bodies=[json.dumps(message, separators=(",", ":"))],
                    now=webhook["now"],
                    **self._of,
                )
            )
        return made[0]

    async def deliveries(
        self, webhook_id: int, *, state: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Row]:
        """Newest first. Raises NotFound."""
        async with self._database.connection() as connection:
            _found(await sql.webhook(connection, webhook_id=webhook_id, **self._of), webhook_id)
            page = {"webhook_id": webhook_id, "before": before, "limit": limit, **self._of}
            if state is None:
                return await rows(sql.deliveries_page(connection, **page))
            return await rows(sql.deliveries_page_in_state(connection, state=state, **page))

    async def delivery(self, webhook_id: int, delivery_id: int) -> Row:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            _found(await sql.webhook(connection, webhook_id=webhook_id, **self._of), webhook_id)
            found = await sql.delivery(connection, webhook_id=webhook_id, delivery_id=delivery_id, **self._of)
        return _delivery(found, webhook_id, delivery_id)

    async def redeliver(self, webhook_id: int, delivery_id: int) -> Row:
        """Send the same bytes again, now; whatever has become of them. Raises NotFound, Conflict."""
        async with self._locked(webhook_id) as (connection, webhook):
            _active(webhook)
            found = await sql.redeliver(
                connection, webhook_id=webhook_id, delivery_id=delivery_id, now=webhook["now"], **self._of
            )
        return _delivery(found, webhook_id, delivery_id)

    async def redeliver_dead(self, webhook_id: int) -> int:
        """Send what was given up again, the oldest MOST_REDELIVERED of it: how many. Raises NotFound, Conflict."""
        async with self._locked(webhook_id) as (connection, webhook):
            _active(webhook)
            return int(
                await sql.redeliver_dead(
                    connection, webhook_id=webhook_id, now=webhook["now"], limit=MOST_REDELIVERED, **self._of
                )
            )

    # --- within ------------------------------------------------------------------------------------------

    def _check(self, format: str, url: str | None, kinds: Sequence[str]) -> None:
        if format == STANDARD:
            check_kinds(kinds)
        else:
            check_kinds(kinds, self._formats[format].kinds)
        if url is not None and (why := self._sender.objection(url)) is not None:
            raise Invalid(f"the URL cannot be used: {why}")

    @asynccontextmanager
    async def _locked(self, webhook_id: int) -> AsyncIterator[tuple[Connection, Row]]:
        async with self._database.transaction() as connection:
            webhook = await sql.lock_webhook(connection, webhook_id=webhook_id, **self._of)
            yield connection, _found(webhook, webhook_id)


async def purge_deliveries(database: Database, before: datetime | None = None) -> int:
    """Delete deliveries of all organizations that are older than 30 days, or made before that instant, in any state;
    what deleted webhooks have left behind; webhooks of campaigns that were over a week ago. How many deliveries.
    """
    now = datetime.now(UTC)
    before = before or now - KEPT
    count = 0
    async with database.connection() as connection:
        found = await rows(sql.all_webhooks(connection))
    for webhook in found:
        of = {"organization_id": webhook["organization_id"], "webhook_id": webhook["id"]}
        archived = webhook["archived_at"] is not None
        if not archived and webhook["over_since"] is not None and webhook["over_since"] < now - KEPT_OF_CAMPAIGNS:
            async with database.connection() as connection:
                await sql.archive_webhook(connection, now=now, **of)
            archived = True
        while gone := await _purge_page(database, of, datetime.now(UTC) if archived else before):
            count += gone
        if archived:
            async with database.connection() as connection:
                await sql.delete_webhook(connection, **of)
    return count


async def _purge_page(database: Database, of: dict[str, int], before: datetime) -> int:
    async with database.transaction() as connection:
        webhook = await sql.lock_any_webhook(connection, **of)
        gone = await rows(sql.purge_deliveries(connection, before=before, limit=PURGED_AT_ONCE, **of))
        if gone and webhook is not None:
            subjects = sorted({row["subject"] for row in gone})
            await sql.promote_deliveries(connection, subjects=subjects, now=webhook["now"], **of)
    return len(gone)


def _secret(format: str, given: str | None) -> str:
    """The one that is given, else a new one. Raises Invalid."""
    if format == STANDARD:
        return _checked(given) if given else PREFIX + base64.b64encode(chance.token_bytes(NEW_SECRET_BYTES)).decode()
    return given or chance.token_hex(NEW_SECRET_BYTES)


def _checked(secret: str) -> str:
    """Raises Invalid."""
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True)) if secret.startswith(PREFIX) else 0
    except binascii.Error:
        size = 0
    if not FEWEST_SECRET_BYTES <= size <= MOST_SECRET_BYTES:
        raise Invalid(
            f"a secret is {PREFIX} and {FEWEST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes in base64; "
            "leave it out to get one"
        )
    return secret


def _active(webhook: Row) -> None:
    if not webhook["active"]:
        raise Conflict(f"webhook {webhook['id']} is not active ({webhook['inactive_reason']}): activate it first")


def _found(webhook: Row | None, named: int | UUID) -> Row:
    if webhook is None:
        raise NotFound(f"there is no webhook {named}")
    return webhook


def _delivery(found: Row | None, webhook_id: int, delivery_id: int) -> Row:
    if found is None:
        raise NotFound(f"webhook {webhook_id} has no delivery {delivery_id}")
    return found
