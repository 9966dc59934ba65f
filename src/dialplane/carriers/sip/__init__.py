"""Calls over a SIP trunk, with audio: signalling and sound are in processes of their own."""

from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.carriers.sip.trunk import Trunk

__all__ = ["SipCarrier", "Trunk"]
