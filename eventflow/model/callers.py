"""Names and numbers of the services that call a function and wait for its answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

COGNITO_SECONDS: Final = 5.0
"""Not configurable. Source: Cognito guide: working with Lambda triggers."""
ALEXA_SECONDS: Final = 8.0
"""Source: Alexa Skills Kit: about, not published exactly."""
LEX_SECONDS: Final = 30.0
"""Source: Lex V2 guide: quotas."""


class CognitoTriggerName(StrEnum):
    """The keys of a user pool's ``LambdaConfig``. Source: Cognito API: LambdaConfigType."""

    PRE_SIGN_UP = "PreSignUp"
    POST_CONFIRMATION = "PostConfirmation"
    PRE_AUTHENTICATION = "PreAuthentication"
    POST_AUTHENTICATION = "PostAuthentication"
    PRE_TOKEN_GENERATION = "PreTokenGeneration"
    USER_MIGRATION = "UserMigration"
    CUSTOM_MESSAGE = "CustomMessage"
    DEFINE_AUTH_CHALLENGE = "DefineAuthChallenge"
    CREATE_AUTH_CHALLENGE = "CreateAuthChallenge"
    VERIFY_AUTH_CHALLENGE_RESPONSE = "VerifyAuthChallengeResponse"
    INBOUND_FEDERATION = "InboundFederation"
    CUSTOM_EMAIL_SENDER = "CustomEmailSender"
    CUSTOM_SMS_SENDER = "CustomSMSSender"

    @property
    def is_sender(self) -> bool:
        """Whether it is asynchronous: custom senders are handed a code, and nobody waits for them."""
        return self in (CognitoTriggerName.CUSTOM_EMAIL_SENDER, CognitoTriggerName.CUSTOM_SMS_SENDER)


_SOURCE_PREFIXES: Final = {"TokenGeneration": CognitoTriggerName.PRE_TOKEN_GENERATION}
"""Where ``triggerSource`` does not begin with the trigger's own name."""


def trigger_name(trigger_source: str) -> CognitoTriggerName | None:
    """The trigger of a ``triggerSource``: ``PreSignUp`` for ``PreSignUp_AdminCreateUser``; ``None`` for one unknown
    to us."""
    prefix = trigger_source.partition("_")[0]
    if prefix in _SOURCE_PREFIXES:
        return _SOURCE_PREFIXES[prefix]
    return CognitoTriggerName(prefix) if prefix in tuple(CognitoTriggerName) else None


class EdgeEventType(StrEnum):
    """When CloudFront calls a function: ``config.eventType``. In the order of one request."""

    VIEWER_REQUEST = "viewer-request"
    ORIGIN_REQUEST = "origin-request"
    ORIGIN_RESPONSE = "origin-response"
    VIEWER_RESPONSE = "viewer-response"

    @property
    def is_viewers(self) -> bool:
        return self in (EdgeEventType.VIEWER_REQUEST, EdgeEventType.VIEWER_RESPONSE)

    @property
    def timeout_seconds(self) -> float:
        """How long a function may take at most. Source: CloudFront guide: quotas on Lambda@Edge."""
        return 5.0 if self.is_viewers else 30.0
