"""Templates of AWS Lambda functions as text."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eventflow.cli.options import load_named_environment, load_target
from eventflow.errors import ConfigurationError, Problem
from eventflow.model.deployment import Deployment
from eventflow.plan.environment import DEFAULT_ENVIRONMENT
from eventflow.ports import Remark, TemplateKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.ports import Template

HANDLER: Final = "eventflow.aws_lambda.handler"


def export_template(
    target: str, *, app_dir: Path, factory: bool, env: str | None, runtime: str, existing: bool, kind: TemplateKind
) -> Template:
    """The template of an app in an environment. Raises ConfigurationError, AdapterError."""
    from eventflow.run.managing import template
    from eventflow.run.targets import Target

    plan = load_target(target, app_dir=app_dir, factory=factory).freeze(load_named_environment(env))
    parsed = Target.parse(target)
    variables = {"EVENTFLOW_APP": f"{parsed.module}:{parsed.attribute}" if parsed.attribute else parsed.module}
    if factory:
        variables["EVENTFLOW_FACTORY"] = "1"
    directory = parsed.import_root or app_dir
    named, reaches = plan.environment.name != DEFAULT_ENVIRONMENT, directory.resolve() == Path.cwd()
    if named and reaches:
        variables["EVENTFLOW_ENV"] = plan.environment.name
    deployment = Deployment(
        app_name=plan.app_name,
        functions=tuple(function.definition for function in plan.functions.values()),
        handler=HANDLER,
        runtime=runtime,
        variables=variables,
        function_variable="EVENTFLOW_FUNCTION",
        code=_code(directory) if kind is TemplateKind.SAM else None,
        existing=existing,
        cors=plan.cors,
        websocket_api=plan.websocket_api,
        options={service: binding.options for service, binding in plan.environment.sources.items()},
    )
    found = template(plan, deployment, kind)
    if named and not reaches:
        message = f"its file is not in {_code(directory)}: functions do not know it there, nor the names that it binds"
        return replace(found, remarks=(*found.remarks, Remark(f"environment {plan.environment.name}", message)))
    return found


def yaml_text(document: Mapping[str, Any]) -> str:
    """A template as YAML, in its own order, with the short forms of intrinsic functions (``!Ref``).

    Raises ConfigurationError if PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as exc:
        raise ConfigurationError([_missing(exc)]) from exc

    class Dumper(yaml.SafeDumper):
        """One that knows CloudFormation's tags, and repeats what is there twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

    def represent(dumper: Dumper, data: dict[str, Any]) -> yaml.Node:
        match data:
            case {"Ref": str(name)} if len(data) == 1:
                return dumper.represent_scalar("!Ref", name)
            case {"Fn::GetAtt": [str(name), str(attribute)]} if len(data) == 1:
                return dumper.represent_scalar("!GetAtt", f"{name}.{attribute}")
            case {"Fn::Sub": str(text)} if len(data) == 1:
                return dumper.represent_scalar("!Sub", text)
            case _:
                return dumper.represent_dict(data)

    Dumper.add_representer(dict, represent)
    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


def _code(directory: Path) -> str:
    """The directory of the code, from here."""
    found = Path(os.path.relpath(directory))
    return str(found) if found != Path() else "."


def _missing(exc: ImportError) -> Problem:
    hint = "pip install 'eventflow[sam]'"
    return Problem(where="eventflow export", message=f"needs what is not installed: {exc}", hint=hint)
