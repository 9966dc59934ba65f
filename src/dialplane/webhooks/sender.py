"""A message -> a signed POST, and what came of it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from dialplane.ports import Answer, Message
from dialplane.webhooks.addresses import Resolver
from dialplane.webhooks.posting import PostFailed, Posting
from dialplane.webhooks.signing import signed

DEADLINE_SECONDS = 10.0


class HttpSender:
    """own_network: whether messages may go to addresses of one's own network."""

    def __init__(
        self,
        *,
        own_network: bool = False,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._posting = Posting(own_network=own_network, resolver=resolver, tls=tls)

    def objection(self, url: str) -> str | None:
        """Why nothing can ever be sent to this URL; None for one that may work."""
        return self._posting.objection(url)

    def header_objection(self, headers: Mapping[str, str]) -> str | None:
        """The same for headers that go with messages."""
        return self._posting.header_objection(headers)

    async def send(self, message: Message) -> Answer:
        """Sent once; what it raises are faults of ours alone."""
        try:
            reply = await self._posting.post(
                message.url,
                message.body.encode(),
                signed(message),
                deadline_seconds=message.timeout_seconds or self._deadline_seconds,
            )
        except PostFailed as failed:
            return Answer(fault=str(failed))
        return Answer(status=reply.status, fault=_fault(reply.status))

    async def close(self) -> None:
        await self._posting.close()


def _fault(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed, so give the webhook the final URL"
    return f"answered {status}"
