"""The whole template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.ports import Remark, Template
from eventflow_aws.management.template.apis import Apis
from eventflow_aws.management.template.functions import add_function
from eventflow_aws.management.template.resources import Resources
from eventflow_aws.management.template.values import LogicalIds, get_att, ref

if TYPE_CHECKING:
    from eventflow.model.deployment import Deployment
    from eventflow_aws.names import Names

CODE_BUCKET: Final = "CodeBucket"
CODE_KEY: Final = "CodeKey"


def template(deployment: Deployment, names: Names) -> Template:
    """The template of a deployment. Raises AdapterError if a name is bound to another service's ARN."""
    resources = Resources(deployment, names, LogicalIds())
    functions: dict[str, Any] = {}
    remarks: list[Remark] = []
    apis = Apis(deployment, resources)
    for definition in deployment.functions:
        add_function(functions, definition, deployment, resources, apis, remarks)
    code = _code(deployment, resources)
    document: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"{deployment.app_name}, exported by eventflow",
    }
    if resources.parameters:
        document["Parameters"] = resources.parameters
    document["Globals"] = {
        "Function": {
            "Runtime": deployment.runtime,
            "Handler": deployment.handler,
            "CodeUri": code,
            "Environment": {"Variables": dict(deployment.variables)},
        },
        **apis.globals(),
    }
    document["Resources"] = {**functions, **resources.connections, **resources.made}
    if outputs := _outputs(resources):
        document["Outputs"] = outputs
    return Template(document=document, remarks=tuple(dict.fromkeys(remarks)))


def _code(deployment: Deployment, resources: Resources) -> Any:
    if deployment.code is not None:
        return deployment.code
    bucket = resources.parameter(CODE_BUCKET, "The bucket that holds the functions' code")
    return {"Bucket": bucket, "Key": resources.parameter(CODE_KEY, "The key of its zip archive")}


def _outputs(resources: Resources) -> dict[str, Any]:
    """Names that CloudFormation made up, for whoever sends to them or connects them."""
    made = {
        logical_id: {"Value": get_att(logical_id, "QueueUrl") if "Queue" in resource["Type"] else ref(logical_id)}
        for logical_id, resource in resources.made.items()
    }
    return {**resources.outputs, **made}
