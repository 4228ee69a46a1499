"""Alexa skills: requests and responses of custom skills, directives of smart-home skills.

Source: Alexa Skills Kit: request and response JSON reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class AlexaApplication(CamelModel):
    application_id: str


class AlexaUser(CamelModel):
    user_id: str | None = None
    access_token: str | None = Field(default=None, repr=False)
    permissions: dict[str, Any] | None = Field(default=None, repr=False)  # may hold a consent token


class AlexaSession(CamelModel):
    """``attributes`` are the last response's ``session_attributes``."""

    new: bool
    session_id: str
    application: AlexaApplication
    attributes: dict[str, Any] | None = None
    user: AlexaUser | None = None


class AlexaDevice(CamelModel):
    device_id: str | None = None
    persistent_endpoint_id: str | None = None
    supported_interfaces: dict[str, Any] | None = None


class AlexaSystem(CamelModel):
    application: AlexaApplication
    user: AlexaUser | None = None
    device: AlexaDevice | None = None
    person: dict[str, Any] | None = Field(default=None, repr=False)
    unit: dict[str, Any] | None = None
    api_endpoint: str | None = None
    api_access_token: str | None = Field(default=None, repr=False)


class AlexaContext(CamelModel):
    """What Alexa knows of the device. Other interfaces' parts are kept as they come."""

    system: AlexaSystem = Field(alias="System")
    audio_player: dict[str, Any] | None = Field(default=None, alias="AudioPlayer")


class AlexaSlot(CamelModel):
    """``value`` is what was said; ``resolutions`` what the slot's type knows of it."""

    name: str
    value: str | None = None
    confirmation_status: str | None = None
    slot_value: dict[str, Any] | None = None
    resolutions: dict[str, Any] | None = None
    source: str | None = None


class AlexaIntent(CamelModel):
    name: str
    confirmation_status: str | None = None
    slots: dict[str, AlexaSlot] | None = None


class AlexaRequest(CamelModel):
    """``type`` says what it is: LaunchRequest, IntentRequest, SessionEndedRequest, AudioPlayer.PlaybackStarted ...

    Fields that only some types have are ``None``, or kept as they come.
    """

    type: str
    request_id: str
    timestamp: str
    locale: str | None = None
    dialog_state: str | None = None
    intent: AlexaIntent | None = None
    reason: str | None = None
    error: dict[str, Any] | None = None


class AlexaEvent(CamelModel):
    """One request of a custom skill. There is no session where nobody speaks: audio players, skill events."""

    version: str
    session: AlexaSession | None = None
    context: AlexaContext
    request: AlexaRequest

    @property
    def application_id(self) -> str:
        """The skill's id."""
        return self.context.system.application.application_id

    @property
    def intent_name(self) -> str | None:
        return self.request.intent.name if self.request.intent else None

    def slot(self, name: str) -> str | None:
        """What was said for a slot; ``None`` if nothing was."""
        slots = (self.request.intent.slots if self.request.intent else None) or {}
        return slots[name].value if name in slots else None

    def speak(self, text: str, *, end_session: bool | None = True, reprompt: str | None = None) -> AlexaResponse:
        """A response that says ``text``: SSML if it begins with ``<speak>``. ``end_session=False`` listens on, and
        asks again with ``reprompt``; ``None`` keeps the session with the microphone off. The session's attributes go
        on."""
        return AlexaResponse.saying(
            text,
            end_session=end_session,
            reprompt=reprompt,
            session_attributes=self.session.attributes if self.session else None,
        )


class AlexaSpeech(CamelModel):
    """``type`` is PlainText (with ``text``) or SSML (with ``ssml``); up to 8,000 characters."""

    type: str
    text: str | None = None
    ssml: str | None = None
    play_behavior: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """SSML if it begins with ``<speak>``, else plain text."""
        if text.lstrip().startswith("<speak>"):
            return cls(type="SSML", ssml=text)
        return cls(type="PlainText", text=text)


class AlexaReprompt(CamelModel):
    output_speech: AlexaSpeech | None = None
    directives: list[dict[str, Any]] | None = None


class AlexaResponseBody(CamelModel):
    """``should_end_session`` has three meanings: true ends, false listens, absent keeps the session silently."""

    output_speech: AlexaSpeech | None = None
    card: dict[str, Any] | None = None
    reprompt: AlexaReprompt | None = None
    directives: list[dict[str, Any]] | None = None
    should_end_session: bool | None = None
    can_fulfill_intent: dict[str, Any] | None = None
    api_response: Any = None


class AlexaResponse(CamelModel):
    """What a skill answers."""

    version: str = "1.0"
    session_attributes: dict[str, Any] | None = None
    user_agent: str | None = None
    response: AlexaResponseBody

    @classmethod
    def saying(
        cls,
        text: str,
        *,
        end_session: bool | None = True,
        reprompt: str | None = None,
        session_attributes: dict[str, Any] | None = None,
    ) -> Self:
        """A response that says ``text``; see :meth:`AlexaEvent.speak`."""
        body: dict[str, Any] = {"output_speech": AlexaSpeech.of(text)}
        if reprompt is not None:
            body["reprompt"] = AlexaReprompt(output_speech=AlexaSpeech.of(reprompt))
        if end_session is not None:
            body["should_end_session"] = end_session
        attributes = {} if session_attributes is None else {"session_attributes": session_attributes}
        return cls(version="1.0", response=AlexaResponseBody(**body), **attributes)


class SmartHomeEvent(CamelModel):
    """A directive for smart-home devices, which only reaches functions in Lambda. Version 2 of the interface has its
    header and payload at the top."""

    directive: dict[str, Any] | None = None
    header: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None


class AlexaCodec(EventCodec):
    service: ClassVar[Service] = Service.ALEXA
    event_model: ClassVar[type[EventModel]] = AlexaEvent
    payload_name: ClassVar[str | None] = "the slots"

    def recognises(self, wire: JsonObject) -> bool:
        request, context = wire.get("request"), wire.get("context")
        return isinstance(request, dict) and "type" in request and isinstance(context, dict) and "System" in context

    def payload(self, wire: JsonObject) -> UserData:
        """What was said for each slot of the intent: ``{"Item": "snowball"}``."""
        slots = (wire["request"].get("intent") or {}).get("slots") or {}
        return {name: slot.get("value") for name, slot in slots.items()}


ALEXA = AlexaCodec()
