"""From a template of AWS SAM to one of CloudFormation, as AWS itself translates it when a stack is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eventflow.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


def translated(document: Mapping[str, Any], *, region: str) -> dict[str, Any]:
    """What AWS's translator makes of a SAM template. Raises ConfigurationError if it is not installed."""
    try:
        from boto3.session import Session
        from samtranslator.parser.parser import Parser
        from samtranslator.translator.translator import Translator
    except ImportError as exc:
        message, hint = f"needs what is not installed: {exc}", "pip install 'eventflow[sam]'"
        raise ConfigurationError([Problem(where="CloudFormation", message=message, hint=hint)]) from exc
    translator = Translator({}, Parser(), boto_session=Session(region_name=region))
    translation = translator.translate(dict(document), {})
    translator.metrics.publish()  # to nobody, but it warns at exit if that is left out
    result: dict[str, Any] = json.loads(json.dumps(translation))  # it has dictionaries and texts of its own
    return result
