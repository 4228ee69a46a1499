"""Fronts of HTTP: routes of both kinds of API, function URLs and rules of load balancers.

Source: AWS SAM specification: HttpApi, Api, FunctionUrlConfig; ELB guide: lambda-functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.destinations import Service
from eventflow.model.http import FunctionUrl, HttpApiRoute, LoadBalancerRule, RestApiRoute
from eventflow.policy.listener_rules import in_order
from eventflow_aws.management.template.apis import cors_properties
from eventflow_aws.management.template.values import get_att, ref
from eventflow_aws.management.template.websockets import websocket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventflow_aws.management.template.part import FunctionPart

    Event = tuple[str, dict[str, Any]]

LISTENER: Final = "ListenerArn"


def http(part: FunctionPart) -> Event:
    route = part.trigger.http
    assert isinstance(route, HttpApiRoute)
    part.apis.use_http()
    method, _, path = route.route_key.partition(" ")
    properties: dict[str, Any] = {"Path": path, "Method": method.lower()} if path else {}  # neither: $default
    properties["PayloadFormatVersion"] = route.payload_format_version
    if route.authorizer is not None:
        scopes = {"AuthorizationScopes": list(route.scopes)} if route.scopes else {}
        properties["Auth"] = {"Authorizer": part.apis.http_authorizer(route.authorizer), **scopes}
    return "HttpApi", properties


def rest(part: FunctionPart) -> Event:
    route = part.trigger.http
    assert isinstance(route, RestApiRoute)
    method, _, path = route.route_key.partition(" ")
    properties: dict[str, Any] = {"Path": path, "Method": method.lower()}
    if route.binary_media_types:
        part.apis.decode(route.binary_media_types)
        part.remark("binary_media_types are those of the whole REST API there")
    if route.authorizer is not None:
        properties["Auth"] = {"Authorizer": part.apis.rest_authorizer(route.authorizer)}
    return "Api", properties


def function_url(part: FunctionPart) -> None:
    url = part.trigger.http
    assert isinstance(url, FunctionUrl)
    config: dict[str, Any] = {"AuthType": url.auth_type, "InvokeMode": "BUFFERED"}
    if url.cors is not None:
        config["Cors"] = cors_properties(url.cors, credentials="AllowCredentials")
    part.properties["FunctionUrlConfig"] = config
    if url.is_signed:
        part.remark(
            "identities need lambda:InvokeFunctionUrl on it; of other accounts, its policy has to name them, too"
        )
    else:
        part.remark("anyone may call its URL, as here: AuthType NONE")
    if url.invoke_mode != "BUFFERED":
        part.remark("Lambda's Python runtime cannot stream: responses go out whole, 6 MB at most")
    part.resources.outputs[f"{part.function_id}Url"] = {"Value": get_att(f"{part.function_id}Url", "FunctionUrl")}


def load_balancer(part: FunctionPart) -> None:
    """A target group of the function's own, and a rule that forwards to it."""
    rule = part.trigger.http
    assert isinstance(rule, LoadBalancerRule)
    group = _target_group(part, multi_value=rule.multi_value_headers)
    if rule.is_default:
        part.resources.outputs[group] = {"Value": ref(group)}
        part.remark("make its target group the default action of the listener: a template's rules need conditions")
        return
    listener = part.resources.parameter(LISTENER, "ARN of the listener of the Application Load Balancer")
    part.resources.connections[f"{part.function_id}Rule{_priority(part, rule)}"] = {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Properties": {
            "ListenerArn": listener,
            "Priority": _priority(part, rule),
            "Conditions": _conditions(rule),
            "Actions": [{"Type": "forward", "TargetGroupArn": ref(group)}],
        },
    }


def authorizer(part: FunctionPart) -> None:
    """A function that routes name: their APIs call it."""
    handlers = [
        getattr(route, "authorizer", None)
        for item in part.deployment.functions
        for trigger in item.triggers
        for route in (trigger.http, trigger.websocket)
    ]
    if part.definition.handler not in handlers:
        part.remark("no route names it as its authorizer: no API calls it")


def _target_group(part: FunctionPart, *, multi_value: bool) -> str:
    logical_id = f"{part.function_id}{'MultiValueTargets' if multi_value else 'Targets'}"
    function = get_att(part.function_id, "Arn")
    permission = f"{part.function_id}LoadBalancerPermission"
    part.resources.connections[permission] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": function,
            "Principal": "elasticloadbalancing.amazonaws.com",
            "SourceAccount": ref("AWS::AccountId"),
        },
    }
    properties: dict[str, Any] = {"TargetType": "lambda", "Targets": [{"Id": function}]}
    if multi_value:
        properties["TargetGroupAttributes"] = [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    part.resources.connections[logical_id] = {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "DependsOn": permission,  # registering a target checks it
        "Properties": properties,
    }
    return logical_id


def _priority(part: FunctionPart, rule: LoadBalancerRule) -> int:
    """Its own, or one that keeps the order in which rules without one are asked."""
    if rule.priority is not None:
        return rule.priority
    rules = [
        trigger.http
        for definition in part.deployment.functions
        for trigger in definition.triggers
        if isinstance(trigger.http, LoadBalancerRule) and not trigger.http.is_default
    ]
    last = max((other.priority or 0 for other in rules), default=0)
    without = [rules[index] for index in in_order(rules) if rules[index].priority is None]
    return last + 1 + next(number for number, other in enumerate(without) if other is rule)


def _conditions(rule: LoadBalancerRule) -> list[dict[str, Any]]:
    simple = [
        ("path-pattern", "PathPatternConfig", rule.path_pattern),
        ("host-header", "HostHeaderConfig", rule.host_header),
        ("http-request-method", "HttpRequestMethodConfig", rule.http_request_method),
        ("source-ip", "SourceIpConfig", rule.source_ip),
    ]
    found: list[dict[str, Any]] = [
        {"Field": field, config: {"Values": list(values)}} for field, config, values in simple if values
    ]
    found += [
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}
        for name, values in rule.http_header
    ]
    if rule.query_string:
        pairs = [{**({"Key": key} if key else {}), "Value": value} for key, value in rule.query_string]
        found.append({"Field": "query-string", "QueryStringConfig": {"Values": pairs}})
    return found


FRONTS: Final[Mapping[Service, Callable[[FunctionPart], Event | None]]] = {
    Service.HTTP: http,
    Service.HTTP_V1: http,
    Service.REST: rest,
    Service.FUNCTION_URL: function_url,
    Service.ALB: load_balancer,
    Service.WEBSOCKET: websocket,
    Service.WEBSOCKET_AUTHORIZER: authorizer,
    Service.HTTP_AUTHORIZER: authorizer,
    Service.REST_AUTHORIZER: authorizer,
    Service.TOKEN_AUTHORIZER: authorizer,
}
"""From one front to the type and properties of its event, unless it is connected some other way."""
