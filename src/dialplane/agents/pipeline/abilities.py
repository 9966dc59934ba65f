"""What the model is told that it can do, and does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams

from dialplane.agents.hosted import HostedCall
from dialplane.agents.pipeline.definition import END_CALL, OPT_OUT, TRANSFER, Pipeline, Tool
from dialplane.agents.pipeline.tools import asked, shown

if TYPE_CHECKING:
    from dialplane.agents.pipeline.conversation import Conversation

WORDS: Final = {"type": "string", "description": "What is said to the person before; leave it out if it was said."}
SILENTLY: Final = FunctionCallResultProperties(run_llm=False)


class Abilities:
    def __init__(self, pipeline: Pipeline, call: HostedCall, conversation: Conversation) -> None:
        self._pipeline = pipeline
        self._call = call
        self._conversation = conversation

    def schema(self) -> ToolsSchema:
        found = [self._tool(tool) for tool in self._pipeline.tools]
        if self._pipeline.end_call:
            found.append(_schema(END_CALL, "End the call, once all is said.", {"words": WORDS}, (), self._end_call))
        if self._pipeline.opt_out is not None:
            found.append(_schema(OPT_OUT, "The person wants no more calls. It ends the call.", {}, (), self._opt_out))
        if (transfer := self._pipeline.transfer) is not None:
            to = {"type": "string", "enum": list(transfer.to), "description": "To whom."}
            when = f"Hand the call over. {transfer.when}"
            found.append(_schema(TRANSFER, when, {"to": to}, ("to",), self._transfer))
        return ToolsSchema(standard_tools=found)

    def _tool(self, tool: Tool) -> FunctionSchema:
        properties, required = tool.parameters.get("properties", {}), tool.parameters.get("required", ())
        return _schema(tool.name, tool.description, properties, required, partial(self._ask, tool))

    async def _ask(self, tool: Tool, params: FunctionCallParams) -> None:
        began = time.monotonic()
        result = await asked(tool, params.arguments, self._call)
        self._conversation.note(shown(tool.name, params.arguments, result), time.monotonic() - began)
        await params.result_callback(result)

    async def _end_call(self, params: FunctionCallParams) -> None:
        await params.result_callback({"ended": True}, properties=SILENTLY)
        await self._conversation.end(str(params.arguments.get("words") or ""))

    async def _opt_out(self, params: FunctionCallParams) -> None:
        await params.result_callback({"done": True}, properties=SILENTLY)
        await self._conversation.opt_out()

    async def _transfer(self, params: FunctionCallParams) -> None:
        assert self._pipeline.transfer is not None
        number = self._pipeline.transfer.to.get(str(params.arguments.get("to")))
        if number is None:
            await params.result_callback({"error": f"to must be one of {', '.join(self._pipeline.transfer.to)}"})
            return
        began = time.monotonic()
        await self._conversation.phone.until_said()
        done = await self._conversation.transfer(number)
        self._conversation.note(
            f"[transferred to {number}]" if done else "[could not be transferred]", time.monotonic() - began
        )
        if done:
            await params.result_callback({"transferred": True}, properties=SILENTLY)
        else:
            await params.result_callback({"error": "they do not answer; go on yourself"})


def _schema(name: str, description: str, properties: Mapping[str, Any], required: Any, handler: Any) -> FunctionSchema:
    return FunctionSchema(
        name=name, description=description, properties=dict(properties), required=list(required), handler=handler
    )
