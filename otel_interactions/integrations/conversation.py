"""A live conversation as its turns: what comes in many small pieces, from two sides at once, becomes few interactions.

The user's turn is one `audio_input`, the model's one `assistant_response` with what belongs to it below: an
`audio_output`, a `tool_call` for each tool. Pieces are counted and joined as they pass; nothing is recorded before a
turn is over, except that a tool call begins when the model asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from otel_interactions import conventions as names
from otel_interactions.integrations.sound import Sound
from otel_interactions.interactions import user_message
from otel_interactions.recorder import installed
from otel_interactions.responses import AssistantResponse
from otel_interactions.tools import ToolCall, tool_call, tool_response
from otel_interactions.values import as_json, as_text

MAX_OPEN_CALLS: Final = 256
"""Calls of tools nobody has answered that are kept open; beyond, the oldest end."""

INTERRUPTED: Final = "interrupted"


class Conversation:
    """What has been said so far in one live conversation and is not recorded yet.

    To be used in one thread, inside the session's Context.

    Args:
        model: the model that answers.
        provider: who runs it.
        input_rate: samples a second of the user's sound, where its MIME type does not say.
        output_rate: the same of the model's.

    Attributes:
        provider: who runs the model.
        totals: what went by: turns, bytes of sound, pictures.
    """

    def __init__(self, *, model: str | None, provider: str, input_rate: int, output_rate: int) -> None:
        self.totals: Counter[str] = Counter()
        self.provider = provider
        self._model = model
        self._input_rate, self._output_rate = input_rate, output_rate
        self._voice = Sound(input_rate)
        self._speaking = False  # the application has said so
        self._heard: Sound | None = None  # what the open turn answers; its transcript may still be on its way
        self._answer: Turn | None = None
        self._asked_ns: int | None = None
        self._certain = False  # ... as somebody has said so, and not only as the last words were understood then
        self._quiet_ns = 0  # when the model's last turn was over
        self._spent: Counter[str] = Counter()
        self._calls: dict[str, ToolCall] = {}
        self._unfinished: set[str] = set()  # calls that gave a result, and will give more

    # The user.

    def asked(self) -> None:
        """Know that the user has finished: an answer is timed from here."""
        self._asked_ns, self._certain = now(), True

    def wrote(self, text: str, attachments: list[dict[str, Any]] | None = None) -> None:
        """Record what the user wrote, or showed."""
        user_message(text, attributes={names.DETAILS: as_json({"attachments": attachments})} if attachments else None)

    def spoke(self, size: int, mime_type: str | None) -> None:
        """Count a chunk of the user's sound."""
        voice = self._voice
        if voice.since_ns is None:
            voice.since_ns = now()
        voice.add(size, mime_type)
        self.totals["audio_input_bytes"] += size

    def began_speaking(self) -> None:
        """Know that the user speaks: what was sent before was silence; who had ended has not."""
        if not self._speaking:
            self._speaking, self._voice.since_ns = True, now()
        self._forget_asked()

    def understood(self, words: str, *, finished: bool) -> None:
        """Add to the transcript of what the user says.

        Transcripts come in their own time: until the turn that answers them is over or interrupted, they are about what
        it answers.
        """
        if words:
            sound = self._heard or self._voice
            if sound is self._voice and not sound.words.length and not self._speaking:
                sound.since_ns = now()  # a microphone sends silence, too
            sound.words.append(words)
            if not self._certain and (self._answer is None or self._answer.interrupted):
                self._asked_ns = now()
        if finished and self._heard is not None:
            self._tell_heard()

    def _forget_asked(self) -> None:
        self._asked_ns, self._certain = None, False

    def _listen(self) -> None:
        """Take what the user said so far for what the model answers now."""
        voice, self._voice, self._speaking = self._voice, Sound(self._input_rate), False
        if voice:
            voice.since_ns = max(voice.since_ns or now(), self._quiet_ns)
            self._heard = voice

    def _tell_heard(self) -> None:
        heard, self._heard = self._heard, None
        if heard:
            heard.record("audio_input")

    # The model.

    def said(self, text: str) -> None:
        """Add to what the model writes."""
        self._turn().hear(text)

    def sounded(self, size: int, mime_type: str | None) -> None:
        """Count a chunk of the model's sound."""
        self._turn().sound(size, mime_type)
        self.totals["audio_output_bytes"] += size

    def spoken(self, words: str) -> None:
        """Add to the transcript of what the model says."""
        self._turn().speak(words)

    def spent(self, tokens: Mapping[str, int]) -> None:
        """Count tokens, by the names of their attributes; they are those of the open turn, or of the next one."""
        self._spent.update(tokens)

    def interrupt(self) -> None:
        """Know that the user has cut the model short."""
        if self._answer is not None:
            self._answer.interrupted = True
        self._tell_heard()

    def generated(self) -> None:
        """Know that the answer is complete, though it may still be playing."""
        if self._answer is not None:
            self._answer.generated()

    def turn_over(self, reason: str | None = None) -> None:
        """Record the model's turn, with why it ended.

        A turn without any content is recorded where there is something to say about it: a reason, or tokens.
        """
        interrupted = self._answer is not None and self._answer.interrupted
        if self._answer is not None or reason or self._spent:
            self._end_turn(INTERRUPTED if interrupted else reason or "stop")
        elif self._voice.words.length:
            self._listen()  # the model had nothing to say to that
            self._tell_heard()
        if not interrupted:
            self._forget_asked()

    def _turn(self) -> Turn:
        """Return the model's turn, which begins with its first piece."""
        turn = self._answer
        if turn is None:
            self._listen()
            turn = self._answer = Turn(self._model, self.provider, Sound(self._output_rate))
            turn.begin(self._asked_ns)
            self._forget_asked()
            self.totals["turns"] += 1
        return turn

    def _end_turn(self, reason: str) -> None:
        turn, spent = self._turn(), self._spent
        self._answer, self._spent = None, Counter()
        self._tell_heard()
        turn.tell(reason, spent)
        self._quiet_ns = now()

    # Tools.

    def called(self, call_id: str | None, name: str, arguments: Any) -> None:
        """Begin a call the model asks for."""
        if call_id is not None and call_id in self._calls:
            return
        with self._turn().active():
            call: ToolCall = tool_call(name, arguments=arguments, call_id=call_id).start()
        self._calls[call.call_id] = call
        if len(self._calls) > MAX_OPEN_CALLS:
            self._end_call(next(iter(self._calls)), "abandoned")

    def returned(self, call_id: str | None, name: str, result: Any, *, error: Any, more: bool) -> None:
        """Take what a tool gave back.

        Args:
            call_id: the id of the call; None where the API has none, then the oldest call of that name is meant.
            name: the tool's name.
            result: what it gave back.
            error: what went wrong, where something did.
            more: whether further results of the same call follow.
        """
        if self._answer is None:
            self.asked()  # the model answers to this
        key = call_id if call_id is not None else self._oldest(name)
        call = self._calls.get(key or "")
        if call is None:
            tool_response(name, result, call_id=call_id, error=None if error is None else _told(error))
            return
        if error is not None:
            call.fail(_told(error))
        if more or call.call_id in self._unfinished:
            self._unfinished.add(call.call_id)
            if result:
                call.yielded(result)
            if not more:
                self._end_call(call.call_id)
            return
        del self._calls[call.call_id]
        call.returned(result)

    def cancelled(self, call_id: str) -> None:
        """End a call the model does not want any more."""
        if call_id in self._calls:
            self._end_call(call_id, "cancelled")

    def _oldest(self, name: str) -> str | None:
        return next((key for key, call in self._calls.items() if call.tool_name == name), None)

    def _end_call(self, call_id: str, reason: str | None = None) -> None:
        call = self._calls.pop(call_id)
        self._unfinished.discard(call_id)
        if reason is not None:
            call.set_attribute(names.GEN_AI_FINISH_REASONS, [reason])
        call.leave(None)

    # The end.

    def end(self, reason: str) -> None:
        """Record what is open still; what comes later is without effect.

        Args:
            reason: why it ended, for answers and calls that are cut off by it.
        """
        if self._answer is not None:
            self._end_turn(INTERRUPTED if self._answer.interrupted else reason)
        for call_id in list(self._calls):
            self._end_call(call_id, reason)
        self._listen()
        self._tell_heard()

    @property
    def unclaimed(self) -> Mapping[str, int]:
        """Tokens that came after the last turn."""
        return self._spent


class Turn(AssistantResponse):
    """One turn of the model: what it writes and says, with the words of what it says below.

    It begins where the user ended, as far as that is known; only then its times are recorded.

    Attributes:
        interrupted: whether the user has cut it short.
    """

    def __init__(self, model: str | None, provider: str, voice: Sound) -> None:
        super().__init__({"model": model, "provider": provider})
        self.interrupted = False
        self._voice = voice

    def begin(self, asked_ns: int | None) -> None:
        """Begin, timed from `asked_ns`, in nanoseconds since 1970."""
        self._timed = asked_ns is not None
        self._start(asked_ns)

    def hear(self, text: str) -> None:
        """Add to what is written; the first piece, even without text, is the time to first chunk."""
        if self._timed:
            self.yielded(text)
        elif text:
            self.append(text)

    def sound(self, size: int, mime_type: str | None) -> None:
        """Count a chunk of sound."""
        self._begin_sound()
        self._voice.add(size, mime_type)

    def speak(self, words: str) -> None:
        """Add to the transcript."""
        self._begin_sound()
        self._voice.words.append(words)

    def generated(self) -> None:
        """Know that it is complete: what follows is waiting for the sound to be played."""
        if self._timed:
            self.set(response_time_ms=(self._now() - self._started_ns) / 1e6)

    def tell(self, reason: str, tokens: Mapping[str, int]) -> None:
        """Record it."""
        self.set(
            finish_reason=reason,
            input_tokens=tokens.get(names.GEN_AI_INPUT_TOKENS),
            output_tokens=tokens.get(names.GEN_AI_OUTPUT_TOKENS),
            attributes={name: count for name, count in tokens.items() if name not in _SET_BY_NAME},
        )
        if self._voice:
            with self.active():
                self._voice.record("audio_output")
        self.end()

    def _begin_sound(self) -> None:
        if self._voice.since_ns is None:
            self._voice.since_ns = self._now()
            self.hear("")


_SET_BY_NAME: Final = frozenset({names.GEN_AI_INPUT_TOKENS, names.GEN_AI_OUTPUT_TOKENS})


def now() -> int:
    """Return nanoseconds since 1970 on the recorder's clock; 0 where nothing is recorded."""
    recorder = installed()
    return 0 if recorder is None else recorder.clock()


def _told(error: Any) -> str:
    """Return what a tool says went wrong, which is content."""
    recorder = installed()
    return as_text(error) if recorder is not None and recorder.capture_content else "the tool reported an error"
