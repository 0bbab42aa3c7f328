"""Messages read the same whoever wrote them: shapes of every dialect go in, what readers of the views see comes out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

SYSTEM, HELLO, RAIN, OK = "Be short.", 'hi "you" \\ é\n[2] {3}', "rain, 9°", "Take a [coat].\n{ok}"
IN, OUT, INSTRUCTIONS = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"
ASKED, CHOICE, DETAILS = "gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details"
Message = dict[str, Any]
as_json = json.dumps


class Span(NamedTuple):
    """What a span says; an event has one attribute, a log record an event's name, a body and attributes."""

    attributes: dict[str, str]
    events: tuple[tuple[str, str, str], ...] = ()
    logs: tuple[tuple[str, str, dict[str, str]], ...] = ()
    scope: str = "scope"


def parts(role: str, *each: Message) -> Message:
    return {"role": role, "parts": list(each)}


def said(role: str, text: str) -> Message:
    return parts(role, {"type": "text", "content": text})


def blocks(role: str, *each: Message) -> Message:
    return {"role": role, "content": list(each)}


# One conversation in each shape that messages have: instructions, a question, a tool's call, its result, an answer.
FUNCTION = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}
GEMINI_CALL: Message = {"functionCall": {"id": "c1", "name": "w", "args": {"a": 1}}}
PART_CALL: Message = {"type": "tool_call", "id": "c1", "name": "w", "arguments": {"a": 1}}
SHAPES: dict[str, list[Message]] = {
    "parts": [
        said("system", SYSTEM),
        said("user", HELLO) | {"name": None},
        parts("assistant", PART_CALL) | {"finish_reason": "tool_call"},
        parts("tool", {"type": "tool_call_response", "id": "c1", "response": RAIN}),
        said("assistant", OK),
    ],
    "pydantic-ai": [
        said("system", SYSTEM),
        said("user", HELLO),
        parts("assistant", {"type": "thinking", "content": "hm"}, PART_CALL | {"arguments": '{"a":1}'}),
        parts("user", {"type": "tool_call_response", "id": "c1", "name": "w", "result": RAIN}),
        parts("assistant", {"type": "thinking", "content": "hm"}, {"type": "text", "content": OK}),
    ],
    "chat": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": HELLO},
        {"role": "assistant", "content": None, "tool_calls": [FUNCTION]},
        {"role": "tool", "tool_call_id": "c1", "content": RAIN},
        {"role": "assistant", "content": OK, "refusal": None},
    ],
    "chat with lists": [
        blocks("developer", {"type": "text", "text": SYSTEM}),
        blocks("user", {"type": "text", "text": HELLO}, {"type": "image_url", "image_url": {"url": "x"}}),
        blocks("assistant") | {"tool_calls": [FUNCTION]},
        blocks("tool", {"type": "text", "text": RAIN}) | {"tool_call_id": "c1"},
        blocks("assistant", {"type": "reasoning", "text": "hm"}, {"type": "text", "text": OK}),
    ],
    "anthropic": [
        {"role": "system", "content": SYSTEM},
        blocks("user", {"type": "image", "source": {"data": "x"}}, {"type": "text", "text": HELLO}),
        blocks("assistant", {"type": "thinking"}, {"type": "tool_use", "id": "c1", "name": "w", "input": {"a": 1}}),
        blocks("user", {"type": "tool_result", "tool_use_id": "c1", "content": RAIN}),
        blocks("assistant", {"type": "text", "text": OK}),
    ],
    "gemini": [
        parts("system", {"text": SYSTEM}),
        parts("user", {"text": HELLO}, {"inlineData": {"mimeType": "image/png", "data": "x"}}),
        parts("model", GEMINI_CALL),
        parts("user", {"functionResponse": {"id": "c1", "name": "w", "response": {"t": 9, "r": ["x"]}}}),
        parts("model", {"text": OK}),
    ],
    "vercel": [
        {"role": "system", "content": SYSTEM},
        blocks("user", {"type": "text", "text": HELLO}),
        blocks("assistant", {"type": "tool-call", "toolCallId": "c1", "toolName": "w", "input": {"a": 1}}),
        blocks("tool", {"type": "tool-result", "toolCallId": "c1", "toolName": "w", "result": RAIN}),
        blocks("assistant", {"type": "text", "text": OK}),
    ],
    "responses": [
        {"role": "developer", "content": SYSTEM},
        blocks("user", {"type": "input_text", "text": HELLO}) | {"type": "message"},
        {"type": "function_call", "call_id": "c1", "id": "fc_1", "name": "w", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": RAIN},
        blocks("assistant", {"type": "output_text", "text": OK, "annotations": []}) | {"type": "message"},
    ],
}


# How the span of a model call carries messages of some shapes: an event's attribute after a slash.
PROMPT, COMPLETION = "gen_ai.content.prompt/gen_ai.prompt", "gen_ai.content.completion/gen_ai.completion"
LF_IN, LF_OUT, AI = "langfuse.observation.input", "langfuse.observation.output", "ai.response."
CARRIERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "standard": ([each for each in SHAPES if each != "gemini"], {IN: "<asked>", OUT: "[<answer>]"}),
    "langfuse": (list(SHAPES), {LF_IN: "<asked>", LF_OUT: "<answer>", "langfuse.observation.type": "generation"}),
    "wrapped": (list(SHAPES), {LF_IN: '{"tools":[],"messages":<asked>}', LF_OUT: '[{"index":0,"message":<answer>}]'}),
    "contents": (["gemini"], {LF_IN: '{"model":"m","contents":<asked>}', LF_OUT: "<answer>"}),
    "logfire": (list(SHAPES), {"request_data": '{"messages":<asked>}', "response_data": '{"message":<answer>,"n":1}'}),
    "values": (["chat"], {"input.value": '{"messages":<asked>}', "output.value": "<answer>"}),
    "events": (["parts", "chat", "anthropic"], {PROMPT: "<asked>", COMPLETION: "[<answer>]"}),
    "pipecat": (["chat"], {"input": "<asked>", "output": "<text>"}),
    "vercel": (["vercel"], {"ai.prompt.messages": "<asked>", AI + "text": "<text>", AI + "toolCalls": "<calls>"}),
    "openinference": (["chat"], {"input.value": '{"no":1}', "output.value": '{"no":1}'}),
    "openllmetry": (["chat"], {}),
    "a record a message": (["chat", "chat with lists"], {}),
    "a record a call": (["parts", "pydantic-ai", "chat"], {}),
    "a record without content": (["parts"], {IN: "<asked>", OUT: "[<answer>]"}),
}
CONVERSATIONS = [(carrier, shape) for carrier, (shapes, _) in CARRIERS.items() for shape in shapes]


def flat(messages: list[Message], prefix: str, message: str = "", call: str = "", function: str = "") -> dict[str, str]:
    """Write each field of chat messages as an attribute of its own."""
    found: dict[str, str] = {}
    for i, each in enumerate(messages):
        found |= {f"{prefix}.{i}{message}.{key}": value for key, value in each.items() if isinstance(value, str)}
        for j, wish in enumerate(each.get("tool_calls", [])):
            at = f"{prefix}.{i}{message}.tool_calls.{j}{call}"
            found |= {f"{at}.id": wish["id"]} | {f"{at}{function}.{key}": v for key, v in wish["function"].items()}
    return found


def carried(carrier: str, asked: list[Message], answer: Message) -> Span:
    """Return the span of a model call."""
    content = answer.get("content") or ""
    text = content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
    calls = "" if text else as_json(content)
    filling = {"<asked>": as_json(asked), "<answer>": as_json(answer), "<text>": text, "<calls>": calls}
    filled = {key: re.sub("<[a-z]+>", lambda found: filling[found[0]], v) for key, v in CARRIERS[carrier][1].items()}
    slashed = [(key.partition("/"), filled.pop(key)) for key in list(filled) if "/" in key]
    events = tuple((name[0], name[2], value) for name, value in slashed)
    logs: list[tuple[str, str, dict[str, str]]] = []
    if carrier == "openinference":
        names = (".message", ".tool_call", ".function")
        filled |= flat(asked, "llm.input_messages", *names) | flat([answer], "llm.output_messages", *names)
    elif carrier == "openllmetry":
        filled |= flat(asked, "gen_ai.prompt") | flat([answer], "gen_ai.completion")
    elif carrier == "a record a message":  # the event's name says the role, the body does not; one was sent twice
        for each in asked:
            body = {"id" if key == "tool_call_id" else key: value for key, value in each.items() if key != "role"}
            logs.append((f"gen_ai.{each['role'].replace('developer', 'system')}.message", as_json(body), {}))
        logs += [logs[0], (CHOICE, as_json({"index": 0, "message": answer}), {})]
    elif carrier.startswith("a record"):
        logs = [(DETAILS, "", {IN: as_json(asked), OUT: as_json([answer])} if carrier == "a record a call" else {})]
    return Span(filled, events, tuple(logs))


# What stands in one message, and its text
TEXT: Message = {"type": "text", "content": "t"}
AUDIO: Message = {"type": "uri", "modality": "audio", "uri": "s3://x", "mime_type": "audio/wav"}
ONE_MESSAGE: dict[str, tuple[list[Message], str]] = {
    "several texts": ([TEXT, TEXT | {"content": "u"}], "t\nu"),
    "what was spoken": ([AUDIO | {"type": "blob", "content": "", "transcript": "spoken"}], "spoken"),
    "media without words": ([AUDIO, AUDIO | {"type": "blob", "content": "QUI="}, AUDIO | {"type": "file"}, TEXT], "t"),
    "media of pydantic-ai": ([{"type": "image-url", "url": "x"}, {"type": "binary", "content": "QUI="}, TEXT], "t"),
    "reasoning": ([TEXT | {"type": "reasoning"}, TEXT | {"content": "u"}], "u"),
    "reasoning only": ([TEXT | {"type": "reasoning"}], ""),
    "unknown": ([{"type": "hologram", "content": "x", "deep": {"a": [1]}}, TEXT, {"type": 5}, {}], "t"),
    "a provider's tool": ([{"type": "server_tool_call", "name": "s", "server_tool_call": {"type": "x"}}, TEXT], "t"),
    "JSON": ([TEXT | {"content": '[{"type":"text","text":"x"}]'}], '[{"type":"text","text":"x"}]'),
    "the word parts": ([TEXT | {"content": 'the "parts" of it'}], 'the "parts" of it'),
    "long": ([TEXT | {"content": "é" * 200_000}], "é" * 200_000),
}

AGENT = "gcp.vertex.agent."

# Single spans, and the transcript's lines of them: the last of a user is the input, that of the assistant the output.
T, TU = as_json([said("user", "t")]), as_json([said("system", "t"), said("user", "u")])
CALLS = as_json([parts("assistant", TEXT, PART_CALL, PART_CALL | {"id": "c2"})])
HISTORY = as_json([parts("user", {"text": "t"}), parts("model", {"text": "u"}), parts("user", {"text": "v"})])
PIECES = as_json([said("assistant", "Take a co"), said("assistant", "at.")])
FLAT, CONTENTS = "llm.input_messages.0.message.role", "llm.input_messages.0.message.contents."
MIXED = {f"{CONTENTS}{i}.message_content.type": kind for i, kind in enumerate(("text", "image", "text"))}
MIXED |= {f"{CONTENTS}0.message_content.text": "t", f"{CONTENTS}2.message_content.text": '"u"'}
IMAGE_FIRST = {f"{CONTENTS}0.message_content.type": "image", f"{CONTENTS}1.message_content.type": "text"}
IMAGE_FIRST |= {f"{CONTENTS}0.message_content.image.image.url": "x", f"{CONTENTS}1.message_content.text": "t"}
THOUGHT = IMAGE_FIRST | {f"{CONTENTS}0.message_content.type": "reasoning", f"{CONTENTS}0.message_content.text": "hm"}
MANY = dict(reversed(flat([{"role": "user", "content": f"{i}"} for i in range(12)], "gen_ai.prompt").items()))
TALK, USED = ["user: t", "assistant: u"], ['tool: w c1 {"a":1} = ']
USED_TWICE = [*USED, 'tool: w c2 {"a":1} = ']
VERCEL_CALL = {"toolCallId": "c1", "toolName": "w", "input": {"a": 1}}
ITEMS = [{"type": "reasoning", "summary": []}, SHAPES["responses"][2], SHAPES["responses"][2] | {"call_id": "c2"}]
ITEMS += [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "u"}]}]
ADK_ASKED = {"config": {"system_instruction": "s"}, "contents": [parts("user", {"text": "t"})]}
EVENTS = [{"role": "system", "content": "s"}, {"role": "user", "content": "t"}, {"role": "assistant", "content": "u"}]
CHOSEN = [*EVENTS[:2], {"event.name": "gen_ai.choice", "index": 0, "message": EVENTS[2]}]
CUT = json.dumps([said("user", "a \U0001f600 \ud83d"), said("user", "\\ud83d")])
ALONE: dict[str, tuple[Span, list[str]]] = {
    "contents": (Span({FLAT: "user"} | MIXED), ['user: t\n"u"']),
    "a list": (Span(flat([{"role": "user", "content": '[{"type":"text","text":"t"}]'}], "gen_ai.prompt")), ["user: t"]),
    "like a list": (Span(flat([{"role": "user", "content": "[t"}], "gen_ai.prompt")), ["user: [t"]),
    "ten and more": (Span(MANY), [f"user: {i}" for i in range(12)]),
    "choices": (Span({OUT: PIECES}), ["assistant: Take a co"]),
    "pieces of a stream": (Span({OUT: PIECES}, scope="gcp.vertex.agent"), ["assistant: Take a coat."]),
    "LiveKit": (Span({IN: T, "lk.pii.user_input": "u"}, scope="livekit-agents"), ["user: t"]),
    "instructions": (Span({IN: T, INSTRUCTIONS: as_json([TEXT, TEXT])}), ["system: t\nt", "user: t"]),
    "bare instructions": (Span({IN: T, INSTRUCTIONS: "s"}), ["system: s", "user: t"]),
    "instructions twice": (Span({IN: TU, INSTRUCTIONS: as_json([TEXT])}), ["system: t", "user: u"]),
    "no role": (Span({IN: '[{"content":"t"}]', OUT: '[{"content":"u"}]'}), TALK),
    "ROLE": (Span({IN: '[{"role":"USER","content":"t"}]'}), ["user: t"]),
    "types": (Span({LF_IN: '[{"type":"human","content":"t"}]', LF_OUT: '{"type":"ai","content":"u"}'}), TALK),
    "texts": (Span({"input.value": "t", "output.value": "u"}), TALK),
    "spaces": (Span({IN: '\n[ { "role" : "user", "parts" : [ {"type": "text", "content": "t"} ] } ]\n'}), ["user: t"]),
    "calls": (Span({OUT: CALLS}), ["assistant: t", *USED_TWICE]),
    "a record named by an attribute": (Span({}, logs=(("", '{"content":"t"}', {"event.name": ASKED}),)), ["user: t"]),
    "a broken record": (Span({}, logs=((ASKED, "{broken", {}), (ASKED, '{"content":"t"}', {}))), ["user: t"]),
    "a broken record of parts": (
        Span({}, logs=((DETAILS, "", {IN: '[{"parts":]', INSTRUCTIONS: "[{"}), (DETAILS, "", {IN: T}))),
        ["user: t"],
    ),
    "an indented record": (Span({}, logs=((DETAILS, "", {IN: as_json(json.loads(T), indent=1)}),)), ["user: t"]),
    "a call beside a choice": (
        Span({}, logs=((CHOICE, as_json({"message": {}, "tool_calls": [FUNCTION]}), {}),)),
        USED,
    ),
    "a history": (Span({LF_IN: '{"contents":' + HISTORY + "}"}), ["user: v"]),
    "Vercel's object": (Span({"ai.response.object": '{"text":1}'}), ['assistant: {"text":1}']),
    "Vercel's calls": (Span({"ai.response.toolCalls": as_json([VERCEL_CALL])}), USED),
    "text like a list": (Span({"output": "[laughs] sure"}), ["assistant: [laughs] sure"]),
    "an answer in JSON": (Span({LF_OUT: '{"city":"Paris"}'}), ['assistant: {"city":"Paris"}']),
    "no answer": (Span({LF_IN: "[]", LF_OUT: "{}"}), []),
    "like a list, beside a call": (
        Span({LF_OUT: as_json({"role": "assistant", "content": "[note] z", "tool_calls": [FUNCTION]})}),
        ["assistant: [note] z", *USED],
    ),
    "numbers": (Span(flat([{"role": "user", "content": "[1, 2]"}], "gen_ai.prompt")), ["user: [1, 2]"]),
    "ADK": (
        Span(
            {
                AGENT + "llm_request": as_json(ADK_ASKED),
                AGENT + "llm_response": as_json({"content": parts("model", {"text": "u"}, GEMINI_CALL)}),
            }
        ),
        ["system: s", *TALK, *USED],
    ),
    "a response": (Span({"output.value": as_json({"choices": [{"message": EVENTS[2]}]})}), ["assistant: u"]),
    "events": (Span({"events": as_json(EVENTS)}), ["system: s", *TALK]),
    "events and a choice": (Span({"events": as_json(CHOSEN)}), ["system: s", *TALK]),
    "chunks": (Span({"response_data": '{"combined_chunk_content":"u","chunk_count":2}'}), ["assistant: u"]),
    "items": (Span({LF_OUT: as_json(ITEMS)}), ["assistant: u", *USED_TWICE]),
    "an image first": (Span({FLAT: "user"} | IMAGE_FIRST), ["user: t"]),
    "a thought": (Span({FLAT: "user"} | THOUGHT), ["user: t"]),
    "half an emoji": (Span({IN: CUT}), ["user: a \U0001f600 \ufffd", "user: \\ud83d"]),
    "half an emoji, elsewhere": (Span({LF_OUT: '{"content":"u \\ud83d"}'}), ["assistant: u \ufffd"]),
    "an answer of later": (Span({IN: as_json([said("user", "t"), said("assistant", "u")])}), TALK),
    "own message": (Span({"interaction.type": "user_message", "interaction.message": "t"}), ["user: t"]),
    "own messages": (Span({"interaction.type": "user_message", "interaction.message": "u", IN: T}), ["user: t"]),
    "own audio": (Span({"interaction.type": "audio_output", OUT: T}), ["assistant: t"]),
}

# A tool's execution: the kind of the span, the attributes of name, call's id, arguments and result, how these look.
ARGUMENTS, PYTHON = '{"a":1}', '{"args": [], "kwargs": {"a":1}}'
QUOTED, WRAPPED = as_json(RAIN), as_json({"result": RAIN})
EXECUTE, TOOL = "gen_ai.operation.name=execute_tool", "gen_ai.tool.name gen_ai.tool.call.id "
CALL, ENTITY = TOOL + "gen_ai.tool.call.arguments gen_ai.tool.call.result", "traceloop.entity."
VERCEL = "ai.toolCall.name ai.toolCall.id ai.toolCall.args ai.toolCall.result"
RUN_BY = {
    "standard": (EXECUTE, CALL, ARGUMENTS, RAIN),
    "quoted": (EXECUTE, CALL, ARGUMENTS, QUOTED),
    "wrapped": (EXECUTE, CALL, ARGUMENTS, WRAPPED),
    "pydantic-ai": (EXECUTE, TOOL + "tool_arguments tool_response", ARGUMENTS, RAIN),
    "OpenLIT": (EXECUTE, TOOL + "gen_ai.tool.args gen_ai.tool.output", ARGUMENTS, RAIN),
    "ADK": (EXECUTE, f"{TOOL}{AGENT}tool_call_args {AGENT}tool_response", ARGUMENTS, WRAPPED),
    "OpenInference": ("openinference.span.kind=TOOL", "tool.name tool.id input.value output.value", ARGUMENTS, RAIN),
    "OpenLLMetry": ("traceloop.span.kind=tool", f"{ENTITY}name tool.id {ENTITY}input {ENTITY}output", PYTHON, QUOTED),
    "Langfuse": ("langfuse.observation.type=tool", f"tool.name tool_call.id {LF_IN} {LF_OUT}", PYTHON, RAIN),
    "Vercel": ("ai.operationId=ai.toolCall", VERCEL, ARGUMENTS, QUOTED),
}

ODD = '{"result":"t","n":1}'  # below: what a model is told that a tool answered, and how it reads
VALUE = {"type": "text", "value": "t"}
BLOCKS = [{"type": "text", "text": "t"}, {"type": "image", "source": {}}, {"type": "text", "text": "u"}]
TOLD: list[tuple[Any, str]] = [
    (RAIN, RAIN),
    (QUOTED, RAIN),
    ({"result": "t"}, "t"),
    (json.loads(ODD), ODD),
    ([1], "[1]"),
]
TOLD += [(5, "5"), ("", ""), (VALUE, "t"), ({"type": "json", "value": {"a": 1}}, ARGUMENTS), (BLOCKS, "t\nu")]
TOLD += [(text, text) for text in ('"a" and "b"', '"', '[{"a":1}]')]

# What may stand where messages should, in whatever carries some
KEYS = (
    "gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions langfuse.observation.input request_data "
    "langfuse.observation.output ai.prompt.messages ai.prompt ai.response.text ai.response.toolCalls response_data "
    "events gcp.vertex.agent.llm_request gcp.vertex.agent.llm_response pydantic_ai.all_messages final_result input "
    "output traceloop.entity.input traceloop.entity.output input.value output.value llm.input_messages. gen_ai.prompt. "
    "llm.input_messages.0.message.role llm.input_messages.0.message.content llm.input_messages.1.message.role "
    "llm.input_messages.99999999999999999999.message.content llm.input_messages.x.message.content "
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments gen_ai.prompt.0.role "
    "llm.input_messages.0.message.contents.0.message_content.text gen_ai.prompt.0.content gen_ai.tool.call.id "
    "gen_ai.completion.0.tool_calls.0.arguments gen_ai.tool.call.arguments gen_ai.tool.call.result interaction.message"
)
CUT_OFF = '[{"role":"user","parts":[{"te'
JUNK = {each: each for each in ("", "null", "[broken", "{broken", CUT_OFF, "[1,2]", '"text"')}
JUNK |= {"plain": "plain", "NUL": "a\0b", "no UTF-8": "caf\udce9 \udcff", "long": "x" * 200_000}
JUNK["deep"] = '[{"parts":[{"content":' * 10 + "1" + "}]}]" * 10
NO_QUESTION, QUESTION = ("", "null", CUT_OFF), ("plain", "NUL", "long", "[broken", "{broken", "[1,2]")


def junk(text: str) -> Iterator[Span]:
    """Put it wherever messages may stand, a long one in some places only."""
    for key in KEYS.split()[:: 6 if text == JUNK["long"] else 1]:
        yield Span(({FLAT: "user"} if key.startswith("llm.") else {}) | {key: text})
        yield Span(dict([EXECUTE.split("=")]) | {key: text})
    for name in ("prompt", "completion"):
        yield Span({"same": text}, ((f"gen_ai.content.{name}", f"gen_ai.{name}", text),))
    for event in (ASKED, "gen_ai.tool.message", CHOICE, DETAILS):
        yield Span({"same": text}, logs=((event, text, {}), (event, "", {IN: text, OUT: text})))


@pytest.fixture(scope="module")
def seen(stored: Any) -> Any:
    """Store all cases, each a session of its own, and return what the views say."""
    found: dict[str, list[Span]] = {name: [span] for name, (span, _) in ALONE.items()}
    for carrier, shape in CONVERSATIONS:
        talk = SHAPES[shape]
        found[f"{carrier}, {shape}"] = [carried(carrier, talk[:2], talk[2]), carried(carrier, talk[:4], talk[4])]
        found[f"{carrier}, {shape}, call"] = [carried(carrier, talk[:2], talk[2])]
    for name, (each, _) in ONE_MESSAGE.items():
        found[name] = [Span({IN: as_json([parts("user", *each)]), OUT: as_json([parts("assistant", *each)])})]
    for name, (kind, keys, *values) in RUN_BY.items():
        named = dict(zip(keys.split(), ("w", "c1", *values), strict=True))
        found[f"by {name}"] = [Span(named | dict([kind.split("=")]))]
    for i, (response, _) in enumerate(TOLD):
        told = parts("tool", {"type": "tool_call_response", "id": "c1", "response": response})
        found[f"told {i}"] = [Span({IN: as_json([parts("assistant", PART_CALL), told])})]
    return stored(found | {f"junk {name}": list(junk(text)) for name, text in JUNK.items()})


@pytest.mark.parametrize(("carrier", "shape"), CONVERSATIONS)
def test_a_conversation(seen: Any, carrier: str, shape: str) -> None:
    """In whatever shape and carrier: the question, the tool's call and result, the answer, each once and in order."""
    result = '{"t":9,"r":["x"]}' if shape == "gemini" else RAIN
    found, lines = seen(f"{carrier}, {shape}", "input_text, output_text, tool_name, tool_call_id, tool_arguments")
    assert found == [(HELLO, "", "", "", ""), (result, OK, "", "c1", "")]
    assert lines == [f"system: {SYSTEM}", f"user: {HELLO}", f"tool: w c1 {ARGUMENTS} = {result}", f"assistant: {OK}"]


@pytest.mark.parametrize(("carrier", "shape"), [each for each in CONVERSATIONS if each[0] != "pipecat"])
def test_a_call_of_a_tool(seen: Any, carrier: str, shape: str) -> None:
    """A tool that a model calls is in the transcript before its result is known (Pipecat records only what is said)."""
    _, lines = seen(f"{carrier}, {shape}, call", "role")
    assert lines == [f"system: {SYSTEM}", f"user: {HELLO}", 'tool: w c1 {"a":1} = ']


@pytest.mark.parametrize(("carrier", "shape"), CONVERSATIONS)
def test_who_is_answered(seen: Any, carrier: str, shape: str) -> None:
    """A model call answers the user first, and the tool once there is its result."""
    assert seen(f"{carrier}, {shape}", "role")[0] == [("user",), ("tool",)]


@pytest.mark.parametrize("name", ONE_MESSAGE)
def test_parts_of_a_message(seen: Any, name: str) -> None:
    """Texts and what was spoken are the text of a message, a line each; reasoning, media and the unknown are not."""
    text = ONE_MESSAGE[name][1]
    found, lines = seen(name, "role, input_text, output_text")
    assert (found, lines) == ([("user", text, text)], [f"user: {text}", f"assistant: {text}"] if text else [])


@pytest.mark.parametrize("name", ALONE)
def test_a_span(seen: Any, name: str) -> None:
    """What a span says stands in the transcript, its last question and its answer in the interaction."""
    found, lines = seen(name, "input_text, output_text")
    texts = dict(line.split(": ", 1) for line in ALONE[name][1])
    assert (found, lines) == ([(texts.get("user", ""), texts.get("assistant", ""))], ALONE[name][1])


@pytest.mark.parametrize("name", RUN_BY)
def test_a_tool(seen: Any, name: str) -> None:
    """Whoever ran a tool: its name, the call's id, its named arguments and its result without wrapping."""
    found, lines = seen(f"by {name}", "role, input_text, tool_name, tool_call_id, tool_arguments, tool_result")
    assert (found, lines) == ([("tool", "", "w", "c1", ARGUMENTS, RAIN)], [f"tool: w c1 {ARGUMENTS} = {RAIN}"])


@pytest.mark.parametrize("number", range(len(TOLD)))
def test_what_a_tool_answered(seen: Any, number: int) -> None:
    """A result reads as text without its wrapping, JSON as JSON."""
    wanted = TOLD[number][1]
    assert seen(f"told {number}", "role, input_text") == ([("tool", wanted)], [f"tool: w c1 {ARGUMENTS} = {wanted}"])


@pytest.mark.parametrize("name", JUNK)
def test_junk(seen: Any, name: str) -> None:
    """Whatever stands where messages should: each span is an interaction, and stored as it came."""
    found, _ = seen(f"junk {name}", "hashes")
    written = hashlib.md5(JUNK[name].encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
    assert [written in hashes for (hashes,) in found] == [True] * len(list(junk(JUNK[name])))


@pytest.mark.parametrize("name", [*NO_QUESTION, *QUESTION])
def test_junk_as_a_question(seen: Any, name: str) -> None:
    """A text is what was asked, one like JSON, too; JSON of messages that was cut, or none at all, is nothing."""
    assert seen(f"junk {name}", "input_text")[0][0] == (JUNK[name] if name in QUESTION else "",)
