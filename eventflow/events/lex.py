"""Code hooks of Lex V2, and the events of Lex V1. Source: Lex V2 guide: Lambda input event and response format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class LexBot(CamelModel):
    id: str
    name: str | None = None
    alias_id: str | None = None
    alias_name: str | None = None
    locale_id: str | None = None
    version: str | None = None


class LexSlotValue(CamelModel):
    """What the user said, what Lex makes of it, and what the slot's type knows."""

    original_value: str | None = None
    interpreted_value: str | None = None
    resolved_values: list[str] | None = None


class LexSlot(CamelModel):
    """``shape`` is Scalar, List or Composite; a list has ``values``, a composite ``sub_slots``."""

    shape: str | None = None
    value: LexSlotValue | None = None
    values: list[LexSlot] | None = None
    sub_slots: dict[str, LexSlot | None] | None = None


class LexIntent(CamelModel):
    """``state``: Failed, Fulfilled, InProgress, ReadyForFulfillment, Waiting, FulfillmentInProgress.
    ``confirmation_state``: Confirmed, Denied, None. A slot without a value is ``None``."""

    name: str
    state: str | None = None
    confirmation_state: str | None = None
    slots: dict[str, LexSlot | None] | None = None
    kendra_response: dict[str, Any] | None = None


class LexDialogAction(CamelModel):
    """``type``: Close, ConfirmIntent, Delegate, ElicitIntent, ElicitSlot, None."""

    type: str
    slot_to_elicit: str | None = None
    slot_elicitation_style: str | None = None
    sub_slot_to_elicit: dict[str, Any] | None = None


class LexActiveContext(CamelModel):
    name: str
    context_attributes: dict[str, str] | None = None
    time_to_live: dict[str, Any] | None = None


class LexSessionState(CamelModel):
    active_contexts: list[LexActiveContext] | None = None
    session_attributes: dict[str, str] | None = None
    runtime_hints: dict[str, Any] | None = None
    dialog_action: LexDialogAction | None = None
    intent: LexIntent | None = None
    originating_request_id: str | None = None


class LexInterpretation(CamelModel):
    """One intent that the user may have meant; the first is the one Lex chose."""

    intent: LexIntent | None = None
    nlu_confidence: float | dict[str, Any] | None = None
    sentiment_response: dict[str, Any] | None = None
    interpretation_source: str | None = None


class LexProposedState(CamelModel):
    """What Lex would do next."""

    dialog_action: LexDialogAction | None = None
    intent: LexIntent | None = None
    prompt: dict[str, Any] | None = None


class LexTranscription(CamelModel):
    transcription: str | None = None
    transcription_confidence: float | None = None
    resolved_context: dict[str, Any] | None = None
    resolved_slots: dict[str, LexSlot | None] | None = None


class LexMessage(CamelModel):
    """``content_type``: PlainText, SSML, CustomPayload, ImageResponseCard. ``content`` up to 1,024 characters."""

    content_type: str
    content: str | None = None
    image_response_card: dict[str, Any] | None = None


class LexResponse(CamelModel):
    """What a code hook answers. Messages replace the bot's own. :class:`LexEvent` makes them."""

    session_state: LexSessionState
    messages: list[LexMessage] | None = None
    request_attributes: dict[str, str] | None = None


class LexEvent(CamelModel):
    """One turn of a conversation. ``invocation_source`` is DialogCodeHook or FulfillmentCodeHook."""

    message_version: str
    invocation_source: str
    input_mode: str | None = None
    response_content_type: str | None = None
    session_id: str
    input_transcript: str | None = None
    raw_input_transcript: str | None = None
    invocation_label: str | None = None
    bot: LexBot
    interpretations: list[LexInterpretation] = Field(default_factory=list)
    proposed_next_state: LexProposedState | None = None
    request_attributes: dict[str, str] | None = None
    session_state: LexSessionState
    transcriptions: list[LexTranscription] | None = None

    @property
    def intent(self) -> LexIntent | None:
        return self.session_state.intent

    def slot(self, name: str) -> str | None:
        """A slot's value as Lex interprets it; ``None`` if it has none."""
        slots = (self.intent.slots if self.intent else None) or {}
        found = slots.get(name)
        return found.value.interpreted_value if found and found.value else None

    def close(self, *messages: str, state: Literal["Fulfilled", "Failed"] = "Fulfilled") -> LexResponse:
        """The intent is done, or has failed."""
        return self._answer({"type": "Close"}, messages, state=state)

    def delegate(self) -> LexResponse:
        """Lex is to decide what comes next."""
        return self._answer({"type": "Delegate"}, ())

    def elicit_slot(self, name: str, *messages: str) -> LexResponse:
        """Ask for a slot; with messages, in other words than the bot's own."""
        return self._answer({"type": "ElicitSlot", "slotToElicit": name}, messages)

    def elicit_intent(self, *messages: str) -> LexResponse:
        """Ask what the user wants."""
        return self._answer({"type": "ElicitIntent"}, messages)

    def confirm_intent(self, *messages: str) -> LexResponse:
        """Ask whether this is what the user wants."""
        return self._answer({"type": "ConfirmIntent"}, messages)

    def _answer(self, action: JsonObject, messages: tuple[str, ...], *, state: str | None = None) -> LexResponse:
        session = self.session_state.to_wire()
        intent = session.get("intent")
        if intent is not None and state is not None:
            session["intent"] = {**intent, "state": state}
        answer: JsonObject = {"sessionState": {**session, "dialogAction": action}}
        if messages:
            answer["messages"] = [{"contentType": "PlainText", "content": text} for text in messages]
        if self.request_attributes is not None:
            answer["requestAttributes"] = self.request_attributes
        return LexResponse.model_validate(answer)


class LexV1Event(CamelModel):
    """A code hook of Lex V1, whose service ended in September 2025."""

    message_version: str | None = None
    invocation_source: str | None = None
    user_id: str | None = None
    input_transcript: str | None = None
    output_dialog_mode: str | None = None
    bot: dict[str, Any]
    current_intent: dict[str, Any]
    alternative_intents: list[dict[str, Any]] | None = None
    session_attributes: dict[str, str] | None = None
    request_attributes: dict[str, str] | None = None
    recent_intent_summary_view: list[dict[str, Any]] | None = None
    active_contexts: list[dict[str, Any]] | None = None


class LexCodec(EventCodec):
    service: ClassVar[Service] = Service.LEX
    event_model: ClassVar[type[EventModel]] = LexEvent
    payload_name: ClassVar[str | None] = "the slots"

    def recognises(self, wire: JsonObject) -> bool:
        return "sessionState" in wire and "bot" in wire and "invocationSource" in wire

    def payload(self, wire: JsonObject) -> UserData:
        """The values of the slots, as Lex interprets them: ``{"Nights": "4", "City": None}``."""
        intent = wire["sessionState"].get("intent") or {}
        return {name: _value(slot) for name, slot in (intent.get("slots") or {}).items()}


def _value(slot: Any) -> Any:
    """Of a list its values, of a composite its sub-slots."""
    match slot:
        case {"values": [*values]} if values:
            return [_value(item) for item in values]
        case {"subSlots": {} as parts} if parts:
            return {name: _value(item) for name, item in parts.items()}
        case {"value": {"interpretedValue": value}}:
            return value
        case _:
            return None


LEX = LexCodec()
