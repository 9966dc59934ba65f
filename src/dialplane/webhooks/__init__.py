"""Messages to the servers of others, over HTTP."""

from collections.abc import Mapping

from dialplane.ports import MessageFormat
from dialplane.webhooks.dialnexa import DialNexaMessages
from dialplane.webhooks.screening import HttpScreening
from dialplane.webhooks.sender import HttpSender
from dialplane.webhooks.vapi import VapiMessages

FORMATS: Mapping[str, MessageFormat] = {"vapi": VapiMessages(), "dialnexa": DialNexaMessages()}

__all__ = ["FORMATS", "HttpScreening", "HttpSender"]
