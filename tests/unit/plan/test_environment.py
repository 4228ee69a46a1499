from __future__ import annotations

from pathlib import Path

import pytest

from eventflow import ConfigurationError, Environment, load_environment
from eventflow.model.known_options import ENVIRONMENT_KEYS
from eventflow.plan import environment as environment_module
from eventflow.plan.environment import EventQueueBinding


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_without_a_file_local_exists(tmp_path: Path) -> None:
    assert load_environment(directory=tmp_path) == Environment(name="local", adapter="local")


def test_an_environment_is_read_from_eventflow_toml(tmp_path: Path) -> None:
    write(
        tmp_path / "eventflow.toml",
        """
        [environments.production]
        adapter = "aws"
        event_queue = "sqs:shop-events"
        concurrency = 50
        region = "eu-west-1"

        [environments.production.sources.kafka]
        adapter = "kafka"
        bootstrap_servers = ["b-1.example:9098"]

        [environments.production.resources]
        "sqs:orders" = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders-prod"
        """,
    )
    environment = load_environment("production", directory=tmp_path)
    assert (environment.adapter, environment.event_queue, environment.concurrency) == (
        "aws",
        EventQueueBinding(name="shop-events", service="sqs"),
        50,
    )
    assert environment.binding("kafka").adapter == "kafka"
    assert environment.binding("kafka").options == {"bootstrap_servers": ["b-1.example:9098"]}
    assert environment.binding("sqs").adapter == "aws"
    assert environment.resources == {"sqs:orders": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders-prod"}
    assert environment.function_arn("f") == "arn:aws:lambda:eu-west-1:000000000000:function:f"


def test_pyproject_serves_where_there_is_no_file_of_our_own(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool.eventflow.environments.local]\ndata = "elsewhere"\n')
    assert load_environment(directory=tmp_path).options == {"data": "elsewhere"}
    write(tmp_path / "eventflow.toml", '[environments.local]\ndata = "here"\n')
    assert load_environment(directory=tmp_path).options == {"data": "here"}


def test_a_pyproject_of_another_project_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[project]\nname = "x"\n')
    assert load_environment(directory=tmp_path) == Environment()


def test_variables_outrank_the_table_and_a_name_outranks_the_variable(tmp_path: Path) -> None:
    write(
        tmp_path / "eventflow.toml",
        '[environments.local]\ndata = "file"\nconcurrency = 5\n[environments.other]\ndata = "other"\n',
    )
    variables = {"EVENTFLOW_DATA": "variable", "EVENTFLOW_CONCURRENCY": "7", "EVENTFLOW_ENV": "other"}
    environment = load_environment(directory=tmp_path, variables=variables)
    assert environment.name == "other"
    assert environment.options == {"data": "variable"}
    assert load_environment("local", directory=tmp_path, variables=variables).concurrency == 7


def test_an_unknown_environment_names_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path / "eventflow.toml", '[environments.staging]\nadapter = "aws"\n')
    with pytest.raises(ConfigurationError, match=r"no environment 'prod'.*known: local, staging"):
        load_environment("prod", directory=tmp_path)


def test_broken_toml_says_where(tmp_path: Path) -> None:
    write(tmp_path / "eventflow.toml", "[environments.local\n")
    with pytest.raises(ConfigurationError, match=r"eventflow\.toml: is not valid TOML: .*line 1"):
        load_environment(directory=tmp_path)


def test_every_wrong_value_is_reported_at_once(tmp_path: Path) -> None:
    write(
        tmp_path / "eventflow.toml",
        """
        [environments.local]
        adapter = 5
        concurrency = "many"
        region = true
        [environments.local.sources.kafka]
        bootstrap_servers = []
        [environments.local.sources.sqz]
        adapter = "local"
        [environments.local.resources]
        "sqs:orders" = 7
        "sqz:orders" = "orders"
        orders = "orders"
        """,
    )
    with pytest.raises(ConfigurationError) as caught:
        load_environment(directory=tmp_path)
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {
        "adapter",
        "concurrency",
        "region",
        "sources.kafka",
        "sources.sqz",
        "resources.sqs:orders",
        "resources.sqz:orders",
        "resources.orders",
    }


def test_a_stray_table_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "eventflow.toml", "[env.local]\n")
    with pytest.raises(ConfigurationError, match=r"env: is not a key .*\[environments\.<name>\]"):
        load_environment(directory=tmp_path)


@pytest.mark.parametrize("value", [0, -1])
def test_concurrency_is_at_least_one(tmp_path: Path, value: int) -> None:
    write(tmp_path / "eventflow.toml", f"[environments.local]\nconcurrency = {value}\n")
    with pytest.raises(ConfigurationError, match="at least 1"):
        load_environment(directory=tmp_path)


def test_a_wrong_value_of_a_variable_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    write(tmp_path / "eventflow.toml", "[environments.local]\nconcurrency = 3\nregion = 5\n")
    with pytest.raises(ConfigurationError) as caught:
        load_environment(directory=tmp_path, variables={"EVENTFLOW_CONCURRENCY": "many"})
    assert [(problem.where, problem.field) for problem in caught.value.problems] == [
        ("eventflow.toml [environments.local]", "region"),
        ("environment variable EVENTFLOW_CONCURRENCY", "concurrency"),
    ]


def test_what_adapters_say_of_a_wrong_key_knows_every_key_of_environments() -> None:
    own = vars(environment_module)
    assert {*own["_TYPES"], *own["_ACCESS"], "event_queue"} == set(ENVIRONMENT_KEYS)
