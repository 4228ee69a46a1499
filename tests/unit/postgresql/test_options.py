from __future__ import annotations

from typing import Any

import pytest

from eventflow.errors import ConfigurationError, Problem
from eventflow.ports import AdapterSettings
from eventflow_postgresql import PostgresqlAdapter
from eventflow_postgresql.options import PostgresqlOptions


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)


class StoppedClock:
    def time(self) -> float:
        return 0


def settings(**options: Any) -> AdapterSettings:
    return AdapterSettings(environment="production", options=options, resources={}, clock=StoppedClock())


def problems(**options: Any) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as refused:
        PostgresqlAdapter(settings(**options))
    return refused.value.problems


def test_nothing_has_to_be_said() -> None:
    options = PostgresqlOptions.parse(settings())
    assert (options.postgresql_schema, options.lease_seconds) == ("eventflow", 60)
    assert options.server == "localhost:5432"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://shop:s3cret@db.example/orders", "db.example:5432, database orders"),
        ("postgres://db.example:6432/orders?sslmode=require", "db.example:6432, database orders"),
        ("postgresql://shop:s3%40ret%2F@[::1]:5433/orders", "[::1]:5433, database orders"),
        ("postgresql://one:5432,two:5433/orders", "one:5432,two:5433, database orders"),
        ("postgresql://shop@%2Frun%2Fpostgresql/orders", "/run/postgresql:5432, database orders"),
        ("postgresql:///orders?host=db.example&password=s3cret", "db.example:5432, database orders"),
        ("postgresql://db.example", "db.example:5432"),
    ],
)
def test_messages_name_the_server_without_its_secrets(url: str, server: str) -> None:
    options = PostgresqlOptions.parse(settings(postgresql_url=url))
    assert options.server == server
    assert "s3" not in repr(options)


def test_environment_variables_name_what_the_url_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGPORT", "6432")
    monkeypatch.setenv("PGDATABASE", "orders")
    assert PostgresqlOptions.parse(settings()).server == "db.example:6432, database orders"
    assert PostgresqlOptions.parse(settings(postgresql_url="postgresql://other")).server.startswith("other:6432")


def test_a_service_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "orders")
    assert PostgresqlOptions.parse(settings()).server == "service orders"


@pytest.mark.parametrize(
    "url",
    [
        7,
        "",
        "db.example:5432",
        "mysql://shop:s3cret@db.example/orders",
        "postgresql://shop:s3cret@db.example:port/orders",
        "postgresql://shop:s3cret@db.example:99999/orders",
        "postgresql://shop:s3cret@[::1/orders",
        "postgresql://shop:s3cret@db.example/orders?sslmode",
        "postgresql://shop:s3@cret@db.example/orders",
        "postgresql://shop:s3cret#1@db.example/orders",
        "postgresql://shop:1/s3cret@db.example/orders",
        "postgresql://shop:1/s3cret@db.example",
        "postgresql://shop:1?s3cret=@db.example",
    ],
)
def test_a_url_of_a_wrong_form_is_refused_and_not_repeated(url: object) -> None:
    [problem] = problems(postgresql_url=url)
    assert (problem.where, problem.field) == ("[environments.production]", "postgresql_url")
    assert "postgresql://user@host:5432/database" in str(problem)
    assert "s3" not in str(problem)


@pytest.mark.parametrize("schema", ["", "pg_mine", "x" * 64, "ä" * 32, "a\0b", 7])
def test_a_schema_that_cannot_be_is_refused(schema: object) -> None:
    [problem] = problems(postgresql_schema=schema)
    assert problem.field == "postgresql_schema"
    assert "63 bytes" in str(problem.hint)


@pytest.mark.parametrize("lease_seconds", [0, 0.5, 3_601, "60", True, float("nan")])
def test_a_lease_out_of_range_is_refused(lease_seconds: object) -> None:
    [problem] = problems(lease_seconds=lease_seconds)
    assert (problem.field, problem.hint) == ("lease_seconds", "1 to 3600 seconds")


def test_every_mistake_is_named_at_once() -> None:
    found = problems(postgresql_url="db", lease_seconds=0, postgres_schema="x")
    assert [problem.field for problem in found] == ["postgres_schema", "postgresql_url", "lease_seconds"]
    known = "known: postgresql_url, postgresql_schema, lease_seconds; did you mean postgresql_schema?"
    assert found[0].hint == known
