"""`python sippy_callee.py HOST`: somebody who is called, played by the SIP stack sippy, and who says what is heard.

Out: JSON lines: ready, with the port; invite, with the attempt, and over of each call. Who is called at a number that
ends with 01 is busy, with 13 hangs up after a second; all others wait until they are hung up.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

from sippy.CCEvents import CCEventConnect, CCEventDisconnect, CCEventFail, CCEventRing, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.MsgBody import MsgBody
from sippy.SipLogger import SipLogger
from sippy.SipTransactionManager import SipTransactionManager
from sippy.Time.Timeout import Timeout
from sippy.UA import UA

HOST = sys.argv[1]


def tell(**event: Any) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


def echo(rtp: socket.socket) -> None:
    while True:
        packet, came_from = rtp.recvfrom(2048)
        rtp.sendto(packet, came_from)


class Callee:
    def __init__(self, config: dict[str, Any], media_port: int) -> None:
        self._config = config
        self._sdp = (
            f"v=0\r\no=sippy 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {media_port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            "a=ptime:20\r\na=sendrecv\r\n"
        )

    def received(self, request: Any, transaction: Any) -> Any:
        if request.getHFBody("to").getTag() is not None:
            return request.genResponse(481, "Call Leg/Transaction Does Not Exist"), None, None
        if request.getMethod() == "INVITE":
            tell(told="invite", attempt=str(request.getHF("x-dialplane-attempt").body))
            return UA(self._config, self.happened).recvRequest(request, transaction)
        return request.genResponse(200, "OK"), None, None

    def happened(self, event: Any, agent: Any) -> None:
        if isinstance(event, CCEventTry):
            number = str(event.getData()[2])
            agent.recvEvent(CCEventRing((180, "Ringing", None)))
            if number.endswith("01"):
                agent.recvEvent(CCEventFail((486, "Busy Here")))
            else:
                Timeout(self._answer, 0.2, 1, agent, number)
        elif isinstance(event, CCEventDisconnect):
            tell(told="over")

    def _answer(self, agent: Any, number: str) -> None:
        agent.recvEvent(CCEventConnect((200, "OK", MsgBody(self._sdp))))
        if number.endswith("13"):
            Timeout(agent.recvEvent, 1, 1, CCEventDisconnect())


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtp.bind((HOST, 0))
    threading.Thread(target=echo, args=[rtp], daemon=True).start()
    config = {"_sip_address": HOST, "_sip_port": free_port(), "_sip_logger": SipLogger("callee", logfile=os.devnull)}
    callee = Callee(config, rtp.getsockname()[1])
    config["_sip_tm"] = SipTransactionManager(config, callee.received)
    tell(told="ready", port=config["_sip_port"])
    ED2.loop()


if __name__ == "__main__":
    main()
