"""Messages to the servers of others, over HTTP."""

from dialplane.webhooks.sender import HttpSender

__all__ = ["HttpSender"]
