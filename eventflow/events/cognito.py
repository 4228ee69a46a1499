"""Triggers of Cognito user pools. Source: Cognito guide: working with Lambda triggers.

A trigger returns the whole event with its ``response`` filled; an event that comes back as it was means Cognito's
default. A typed handler may return the response alone, or nothing: the codec puts it into the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._codec import EventCodec
from eventflow.model.callers import CognitoTriggerName, trigger_name
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.events._base import EventModel
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class CognitoCaller(CamelModel):
    """The app that called Cognito, and the AWS SDK it did so with."""

    aws_sdk_version: str | None = None
    client_id: str | None = None


class CognitoRequest(CamelModel):
    """What Cognito tells of a user. The values of ``user_attributes`` are text, whatever they mean: ``"true"``.

    ``client_metadata`` is what the app sent along; InitiateAuth's arrives as ``validation_data``, and only in
    PreAuthentication and UserMigration.
    """

    user_attributes: dict[str, Any] | None = None
    client_metadata: dict[str, str] | None = None
    validation_data: dict[str, str] | None = None
    user_not_found: bool | None = None


class CognitoResponse(CamelModel):
    """What a trigger answers; only what was set is sent."""


class CognitoEvent(CamelModel):
    """The event of any trigger. Each has a model of its own, which knows its request and its response."""

    version: str
    trigger_source: str
    region: str
    user_pool_id: str
    user_name: str | None = None
    caller_context: CognitoCaller | None = None
    request: CognitoRequest
    response: CognitoResponse | None = None

    @property
    def trigger(self) -> CognitoTriggerName | None:
        """``PreSignUp``, ``PostConfirmation`` ...; ``None`` for one unknown to us."""
        return trigger_name(self.trigger_source)

    def respond(self, **fields: Any) -> Self:
        """The event with these fields of its response set; the others stay as Cognito sent them."""
        wire = self.to_wire()
        model = _response_model(type(self))
        said = model(**fields).to_wire()
        return type(self).model_validate({**wire, "response": {**(wire.get("response") or {}), **said}})


def _response_model(event: type[CognitoEvent]) -> type[CognitoResponse]:
    """The model of an event's response."""
    annotation: Any = event.model_fields["response"].annotation
    return next(item for item in annotation.__args__ if isinstance(item, type) and issubclass(item, CognitoResponse))


class PreSignUpResponse(CognitoResponse):
    """Ignored for users that an administrator creates; verifying needs the attribute to be there."""

    auto_confirm_user: bool | None = None
    auto_verify_email: bool | None = None
    auto_verify_phone: bool | None = None


class PreSignUpEvent(CognitoEvent):
    """Somebody signs up. Raise to refuse."""

    response: PreSignUpResponse | None = None


class PostConfirmationEvent(CognitoEvent):
    """A user was confirmed, or confirmed a new password. There is nothing to answer."""


class PreAuthenticationEvent(CognitoEvent):
    """Somebody signs in. Raise to refuse; there is nothing else to answer."""


class PostAuthenticationRequest(CognitoRequest):
    new_device_used: bool | None = None


class PostAuthenticationEvent(CognitoEvent):
    """Somebody has signed in. There is nothing to answer."""

    request: PostAuthenticationRequest


class CognitoGroups(CamelModel):
    """Groups and roles. Copy a request's ``group_configuration`` to keep them: without, the token has none."""

    groups_to_override: list[str] | None = None
    iam_roles_to_override: list[str] | None = None
    preferred_role: str | None = None


class PreTokenGenerationRequest(CognitoRequest):
    """``scopes`` from version 2 on."""

    group_configuration: CognitoGroups | None = None
    scopes: list[str] | None = None


class ClaimsOverride(CamelModel):
    """Version 1: claims of the ID token, all of them text."""

    claims_to_add_or_override: dict[str, Any] | None = None
    claims_to_suppress: list[str] | None = None
    group_override_details: CognitoGroups | None = None


class TokenClaims(CamelModel):
    """Versions 2 and 3: claims of one token, any JSON. Scopes are the access token's only."""

    claims_to_add_or_override: dict[str, Any] | None = None
    claims_to_suppress: list[str] | None = None
    scopes_to_add: list[str] | None = None
    scopes_to_suppress: list[str] | None = None


class ClaimsAndScopeOverride(CamelModel):
    """Versions 2 and 3."""

    id_token_generation: TokenClaims | None = None
    access_token_generation: TokenClaims | None = None
    group_override_details: CognitoGroups | None = None


class PreTokenGenerationResponse(CognitoResponse):
    """``claims_override_details`` answers version 1, ``claims_and_scope_override_details`` versions 2 and 3."""

    claims_override_details: ClaimsOverride | None = None
    claims_and_scope_override_details: ClaimsAndScopeOverride | None = None


class PreTokenGenerationEvent(CognitoEvent):
    """A token is about to be made."""

    request: PreTokenGenerationRequest
    response: PreTokenGenerationResponse | None = None


class UserMigrationRequest(CognitoRequest):
    """``password`` is absent where the user forgot it."""

    password: str | None = Field(default=None, repr=False)


class UserMigrationResponse(CognitoResponse):
    """``user_attributes`` is required. ``final_user_status`` is CONFIRMED or RESET_REQUIRED, ``message_action``
    SUPPRESS, ``desired_delivery_mediums`` of EMAIL and SMS."""

    user_attributes: dict[str, str] | None = None
    final_user_status: str | None = None
    message_action: str | None = None
    desired_delivery_mediums: list[str] | None = None
    force_alias_creation: bool | None = None
    enable_sms_mfa: bool | None = Field(default=None, alias="enableSMSMFA")


class UserMigrationEvent(CognitoEvent):
    """A user whom the pool does not know signs in, or forgot a password. Raise if there is no such user."""

    request: UserMigrationRequest
    response: UserMigrationResponse | None = None


class CustomMessageRequest(CognitoRequest):
    """``code_parameter`` stands for the code in a message, ``username_parameter`` for the name of a user whom an
    administrator creates."""

    code_parameter: str | None = None
    username_parameter: str | None = None
    link_parameter: str | None = None


class CustomMessageResponse(CognitoResponse):
    """A message has to contain the request's ``code_parameter``. SMS up to 140 characters, e-mail up to 20,000."""

    sms_message: str | None = None
    email_message: str | None = None
    email_subject: str | None = None


class CustomMessageEvent(CognitoEvent):
    """Cognito is about to send a message."""

    request: CustomMessageRequest
    response: CustomMessageResponse | None = None


class AuthChallenge(CamelModel):
    """One step of a sign-in so far."""

    challenge_name: str
    challenge_result: bool
    challenge_metadata: str | None = None


class AuthChallengeRequest(CognitoRequest):
    """``session`` has the steps so far, ``challenge_name`` the one to be created."""

    session: list[AuthChallenge] | None = None
    challenge_name: str | None = None


class DefineAuthChallengeResponse(CognitoResponse):
    """The next challenge, or the end: tokens, or failure."""

    challenge_name: str | None = None
    issue_tokens: bool | None = None
    fail_authentication: bool | None = None


class DefineAuthChallengeEvent(CognitoEvent):
    """What comes next in a custom sign-in?"""

    request: AuthChallengeRequest
    response: DefineAuthChallengeResponse | None = None


class CreateAuthChallengeResponse(CognitoResponse):
    """What the client gets to see, and what the answer will be compared with."""

    public_challenge_parameters: dict[str, str] | None = None
    private_challenge_parameters: dict[str, str] | None = None
    challenge_metadata: str | None = None


class CreateAuthChallengeEvent(CognitoEvent):
    """A challenge is to be made."""

    request: AuthChallengeRequest
    response: CreateAuthChallengeResponse | None = None


class VerifyAuthChallengeRequest(CognitoRequest):
    private_challenge_parameters: dict[str, str] | None = None
    challenge_answer: Any = None


class VerifyAuthChallengeResponse(CognitoResponse):
    """Whether the answer is right."""

    answer_correct: bool | None = None


class VerifyAuthChallengeEvent(CognitoEvent):
    """A challenge was answered."""

    request: VerifyAuthChallengeRequest
    response: VerifyAuthChallengeResponse | None = None


class InboundFederationRequest(CognitoRequest):
    """``attributes`` are what the provider said, each a map: tokenResponse, idToken, userInfo, samlResponse."""

    provider_name: str | None = None
    provider_type: str | None = None
    attributes: dict[str, Any] | None = None


class InboundFederationResponse(CognitoResponse):
    """Attributes that are left out are dropped; ``{}`` keeps all of them."""

    user_attributes_to_map: dict[str, str] | None = None


class InboundFederationEvent(CognitoEvent):
    """Somebody signs in through another provider."""

    request: InboundFederationRequest
    response: InboundFederationResponse | None = None


class CustomSenderRequest(CognitoRequest):
    """``code`` is encrypted with the AWS Encryption SDK, in base64."""

    type: str | None = None
    code: str | None = None


class CustomEmailSenderEvent(CognitoEvent):
    """An e-mail is to be sent. Asynchronous: nobody waits for an answer."""

    request: CustomSenderRequest


class CustomSMSSenderEvent(CognitoEvent):
    """A text message is to be sent. Asynchronous: nobody waits for an answer."""

    request: CustomSenderRequest


EVENT_MODELS: Final[Mapping[CognitoTriggerName, type[CognitoEvent]]] = {
    CognitoTriggerName.PRE_SIGN_UP: PreSignUpEvent,
    CognitoTriggerName.POST_CONFIRMATION: PostConfirmationEvent,
    CognitoTriggerName.PRE_AUTHENTICATION: PreAuthenticationEvent,
    CognitoTriggerName.POST_AUTHENTICATION: PostAuthenticationEvent,
    CognitoTriggerName.PRE_TOKEN_GENERATION: PreTokenGenerationEvent,
    CognitoTriggerName.USER_MIGRATION: UserMigrationEvent,
    CognitoTriggerName.CUSTOM_MESSAGE: CustomMessageEvent,
    CognitoTriggerName.DEFINE_AUTH_CHALLENGE: DefineAuthChallengeEvent,
    CognitoTriggerName.CREATE_AUTH_CHALLENGE: CreateAuthChallengeEvent,
    CognitoTriggerName.VERIFY_AUTH_CHALLENGE_RESPONSE: VerifyAuthChallengeEvent,
    CognitoTriggerName.INBOUND_FEDERATION: InboundFederationEvent,
    CognitoTriggerName.CUSTOM_EMAIL_SENDER: CustomEmailSenderEvent,
    CognitoTriggerName.CUSTOM_SMS_SENDER: CustomSMSSenderEvent,
}
"""The model of each trigger's event."""


class CognitoSyncEvent(CamelModel):
    """The old event of identity pools, when a dataset is synchronised; it is returned, modified."""

    version: int
    event_type: str
    region: str
    identity_pool_id: str
    identity_id: str
    dataset_name: str
    dataset_records: dict[str, dict[str, Any]]


class CognitoCodec(EventCodec):
    service: ClassVar[Service] = Service.COGNITO
    event_model: ClassVar[type[EventModel]] = CognitoEvent

    def recognises(self, wire: JsonObject) -> bool:
        return "triggerSource" in wire and "userPoolId" in wire

    def payload(self, wire: JsonObject) -> UserData:
        return wire

    def completed(self, wire: JsonObject, result: Any) -> Any:
        """The whole event: as it was if the handler said nothing, with the response if that is what it returned."""
        if result is None:
            return wire
        if isinstance(result, CognitoResponse):
            return {**wire, "response": {**(wire.get("response") or {}), **result.to_wire()}}
        return result


COGNITO = CognitoCodec()
