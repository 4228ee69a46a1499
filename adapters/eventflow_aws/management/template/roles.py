"""The role of one function: what Lambda does for it, and nothing else.

Source: Lambda guide: the execution roles of each event source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Destination, Service
from eventflow_aws.management.permissions import DELIVER
from eventflow_aws.management.template.values import arn, sub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow_aws.management.template.resources import Resources
    from eventflow_aws.management.template.values import Value

LOG: Final = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
NETWORK: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
"""What Lambda's pollers need to reach a broker in a network of its own."""


class Role:
    """The statements of one role, in the order in which they were asked for."""

    def __init__(self, function_name: str) -> None:
        self.wildcards: list[str] = []
        self._statements: dict[str, dict[str, Any]] = {}
        name = f"/aws/lambda/${{AWS::StackName}}-{function_name}"
        self.allow("Log", LOG, arn("logs", f"log-group:{name}"), arn("logs", f"log-group:{name}:*"))

    def allow(self, sid: str, actions: Sequence[str], *resources: Value, wildcard: str | None = None) -> None:
        """Allow actions on resources; the same statement may get more resources. ``wildcard`` says why a resource
        is ``*``."""
        name = re.sub(r"[^A-Za-z0-9]", "", sid)
        statement = self._statements.setdefault(
            name, {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": []}
        )
        statement["Resource"] += [resource for resource in resources if resource not in statement["Resource"]]
        if wildcard is not None and wildcard not in self.wildcards:
            self.wildcards.append(wildcard)

    def allow_network(self) -> None:
        """Let Lambda's pollers into a broker's network."""
        self.allow("Network", NETWORK, "*", wildcard="these actions have no resource to be limited to: ec2 networking")

    def allow_sending(self, destination: Destination, resources: Resources) -> Value:
        """Let Lambda send to a destination; returns its ARN."""
        service = destination.service
        found = resources.arn(service, destination.name)
        below = _below(found, "/aws/lambda/*") if service is Service.S3 else None  # records, below Lambda's own prefix
        self.allow(f"SendTo{service.capitalize()}", DELIVER[service], found, *([below] if below is not None else []))
        return found

    def resource(self) -> dict[str, Any]:
        """The role as a resource of a template."""
        return {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "eventflow",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": list(self._statements.values())},
                    }
                ],
            },
        }


def _below(found: Value, path: str) -> Value:
    """What lies below an ARN."""
    if isinstance(found, str):
        return found + path
    if "Fn::Sub" in found:
        return sub(found["Fn::Sub"] + path)
    return {"Fn::Join": ["", [found, path]]}
