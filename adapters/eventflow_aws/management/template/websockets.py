"""The stack's WebSocket API, in CloudFormation's own resources: SAM has no event for it.

Source: CloudFormation reference: AWS::ApiGatewayV2::Api, Integration, Route, RouteResponse, Authorizer, Stage;
API Gateway guide: apigateway-websocket-control-access-iam, apigateway-how-to-call-websocket-api-connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow_aws.management.template.values import arn, get_att, ref, sub

if TYPE_CHECKING:
    from eventflow.model.handler import Handler
    from eventflow_aws.management.template.part import FunctionPart
    from eventflow_aws.management.template.values import Value

CONNECTIONS: Final = ("execute-api:ManageConnections",)
"""Sending to clients, asking about them and cutting them off."""
_INVOKED: Final = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${%s.Arn}/invocations"
)


def websocket(part: FunctionPart) -> None:
    """A route that the function answers, and once the API itself."""
    route = part.trigger.websocket
    assert route is not None
    api = _api(part)
    properties: dict[str, Any] = {
        "ApiId": ref(api),
        "RouteKey": route.route_key,
        "AuthorizationType": "NONE",
        "Target": sub(f"integrations/${{{_integration(part, api)}}}"),
    }
    if route.authorizer is not None:
        properties |= {"AuthorizationType": "CUSTOM", "AuthorizerId": ref(_authorizer(part, api, route.authorizer))}
    logical_id = part.resources.logical_id(route.route_key, "Route")
    if route.route_response:
        properties["RouteResponseSelectionExpression"] = "$default"
        response = {"ApiId": ref(api), "RouteId": ref(logical_id), "RouteResponseKey": "$default"}
        _connect(part, f"{logical_id}Response", "AWS::ApiGatewayV2::RouteResponse", response)
    _connect(part, logical_id, "AWS::ApiGatewayV2::Route", properties)
    stage = part.deployment.websocket_api.stage
    part.role.allow("Connections", CONNECTIONS, _execution(api, f"{stage}/*/@connections/*"))


def _api(part: FunctionPart) -> str:
    """The logical id of the API, which all routes share with its stage."""
    settings = part.deployment.websocket_api
    if settings.binary_frames:
        part.remark("binary messages end a connection there: binary_frames is eventflow's own")
    api = part.resources.logical_id("WebSocket", "Api")
    properties = {
        "Name": sub("${AWS::StackName}-websocket"),
        "ProtocolType": "WEBSOCKET",
        "RouteSelectionExpression": settings.route_selection_expression,
    }
    _connect(part, api, "AWS::ApiGatewayV2::Api", properties)
    stage = {"ApiId": ref(api), "StageName": settings.stage, "AutoDeploy": True}
    _connect(part, part.resources.logical_id("WebSocket", "Stage"), "AWS::ApiGatewayV2::Stage", stage)
    url = f"wss://${{{api}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{settings.stage}"
    part.resources.outputs[f"{api}Url"] = {"Value": sub(url)}
    return api


def _integration(part: FunctionPart, api: str) -> str:
    """The logical id of what hands messages to the function."""
    logical_id = f"{part.function_id}WebSocket"
    properties = {
        "ApiId": ref(api),
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": sub(_INVOKED % part.function_id),
    }
    _connect(part, logical_id, "AWS::ApiGatewayV2::Integration", properties)
    _permit(part, part.function_id, _execution(api, "*"))
    return logical_id


def _authorizer(part: FunctionPart, api: str, handler: Handler) -> str:
    """The logical id of a function as the API's authorizer."""
    definition, settings = part.apis.asked(handler)
    function = part.resources.function(definition.name)
    logical_id = part.resources.logical_id(definition.name, "WebSocketAuthorizer")
    properties = {
        "ApiId": ref(api),
        "Name": definition.name,
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": sub(_INVOKED % function),
        "IdentitySource": list(settings.identity_sources),
    }
    _connect(part, logical_id, "AWS::ApiGatewayV2::Authorizer", properties)
    _permit(part, function, _execution(api, f"authorizers/${{{logical_id}}}"))
    return logical_id


def _permit(part: FunctionPart, function: str, source: Value) -> None:
    properties = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": get_att(function, "Arn"),
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": source,
    }
    _connect(part, f"{function}WebSocketPermission", "AWS::Lambda::Permission", properties)


def _execution(api: str, path: str) -> Value:
    return arn("execute-api", f"${{{api}}}/{path}")


def _connect(part: FunctionPart, logical_id: str, kind: str, properties: dict[str, Any]) -> None:
    part.resources.connections[logical_id] = {"Type": kind, "Properties": properties}
