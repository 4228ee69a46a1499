"""Targets: what loads, and what each way of getting it wrong says."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from eventflow.app import App
from eventflow.errors import ConfigurationError, Problem, TargetError
from eventflow.run.targets import load_app
from tests.cli.conftest import Write

MARKED = """
    from eventflow.triggers.function import function

    @function
    def greet(event): ...
"""
WITH_APP = (
    MARKED
    + """
    from eventflow.app import App

    app = App([greet], name="the app")
"""
)


def names(app: App) -> list[str]:
    return [function.name for function in app.functions]


def refused(target: str, *, app_dir: Path | None = None, factory: bool = False) -> Problem:
    with pytest.raises(TargetError) as caught:
        load_app(target, app_dir=app_dir or Path(), factory=factory)
    [problem] = caught.value.problems
    return problem


def test_a_module_without_an_app_becomes_an_app_of_its_marked_functions(write: Write) -> None:
    write("shop_a.py", MARKED)
    assert names(load_app("shop_a", app_dir=Path())) == ["greet"]


def test_a_module_with_an_app_called_app_is_that_app(write: Write) -> None:
    write("shop_b.py", WITH_APP)
    assert load_app("shop_b", app_dir=Path()).name == "the app"


def test_an_attribute_may_be_dotted(write: Write) -> None:
    write("shop_c.py", WITH_APP + "    class settings:\n        inner = app\n")
    assert load_app("shop_c:settings.inner", app_dir=Path()).name == "the app"


def test_a_factory_is_called(write: Write) -> None:
    write("shop_d.py", MARKED + "\n    from eventflow.app import App\n    def make_app(): return App([greet])\n")
    assert names(load_app("shop_d:make_app", app_dir=Path(), factory=True)) == ["greet"]


def test_modules_are_looked_for_in_app_dir_first(write: Write, directory: Path) -> None:
    write("src/shop_e.py", MARKED)
    assert names(load_app("shop_e", app_dir=directory / "src")) == ["greet"]


def test_a_file_is_imported_under_its_own_name_so_that_other_processes_can_import_it(write: Write) -> None:
    write("somewhere/shop_f.py", WITH_APP)
    app = load_app("somewhere/shop_f.py:app", app_dir=Path())
    assert [function.handler.__module__ for function in app.functions] == ["shop_f"]
    assert str(Path("somewhere").resolve()) in sys.path


def test_a_file_in_a_package_is_imported_as_part_of_it(write: Write) -> None:
    write("src/shop_g/__init__.py", "")
    write("src/shop_g/orders.py", MARKED)
    write("src/shop_g/all.py", "from .orders import greet")
    app = load_app("src/shop_g/all.py", app_dir=Path())
    assert [function.handler.__module__ for function in app.functions] == ["shop_g.orders"]


@pytest.mark.parametrize("target", ["", ":app", "shop:", "shop-app", "shop:1", "shop:a..b", "shop app"])
def test_bad_text_is_refused_with_the_syntax(target: str, directory: Path) -> None:
    assert "module:attribute" in str(refused(target).hint)


def test_a_module_that_is_not_there_is_refused_with_a_file_of_that_name_nearby(write: Write) -> None:
    write("src/shop_h.py", MARKED)
    problem = refused("shop_h")
    assert problem.message == "there is no module 'shop_h'"
    assert problem.hint == "did you mean src/shop_h.py?"


def test_a_misspelt_module_is_refused_with_the_similar_one(write: Write) -> None:
    write("shop_i.py", MARKED)
    assert refused("shopi").hint == "did you mean shop_i.py?"


def test_a_dot_in_place_of_the_colon_is_noticed(write: Write) -> None:
    write("shop_j.py", WITH_APP)
    assert refused("shop_j.app").hint == "did you mean shop_j:app?"


def test_a_file_that_is_not_there_is_refused(write: Write) -> None:
    write("src/shop_k.py", MARKED)
    problem = refused("src/shopk.py")
    assert "there is no file src/shopk.py" in problem.message
    assert problem.hint == "did you mean src/shop_k.py?"


def test_a_directory_is_refused(write: Write) -> None:
    write("src/shop_l.py", MARKED)
    assert "is a directory" in refused("./src").message


def test_a_file_whose_name_is_no_module_name_is_refused(write: Write) -> None:
    write("my-shop.py", MARKED)
    assert "cannot be imported as a module" in refused("my-shop.py").message


def test_a_file_whose_name_is_taken_by_another_module_is_refused(write: Write) -> None:
    write("mine/json.py", MARKED)
    problem = refused("mine/json.py")
    assert "there is another module 'json'" in problem.message
    assert "rename" in str(problem.hint)


def test_a_module_that_fails_shows_the_line_and_the_users_frames_only(write: Write) -> None:
    write("shop_m.py", "import shop_m_helper\n")
    write("shop_m_helper.py", "def fail():\n    return 1 / 0\n\nfail()\n")
    with pytest.raises(TargetError) as caught:
        load_app("shop_m", app_dir=Path())
    [problem] = caught.value.problems
    assert problem.where == "shop_m_helper.py, line 2"
    assert problem.message == "fails while it is imported: ZeroDivisionError: division by zero"
    assert caught.value.__cause__ is not None
    frames = traceback.extract_tb(caught.value.__cause__.__traceback__)
    assert [Path(frame.filename).name for frame in frames] == ["shop_m.py", "shop_m_helper.py", "shop_m_helper.py"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('on_sqs("orders", batch_sise=3)', "did you mean batch_size?"),
        ('on_http("GET /", verb="GET")', "options: authorizer, "),
    ],
)
@pytest.mark.parametrize("form", ["from eventflow import *\n{}", "import eventflow as ef\nef.{}"])
def test_a_misspelt_option_of_a_decorator_says_what_was_meant(write: Write, form: str, line: str, hint: str) -> None:
    write("shop_q.py", form.format(line))
    problem = refused("shop_q")
    assert problem.where == "shop_q.py, line 2"
    assert "got an unexpected keyword argument" in problem.message
    assert hint in str(problem.hint)


def test_a_misspelt_option_of_the_users_own_function_is_not_explained(write: Write) -> None:
    write("shop_r.py", "def on_sqs(queue):\n    ...\n\non_sqs(batch_sise=3)\n")
    assert refused("shop_r").hint is None


def test_a_syntax_error_names_the_line(write: Write) -> None:
    write("shop_n.py", "x = 1\ndef broken(:\n    pass\n")
    problem = refused("shop_n")
    assert problem.where == "shop_n.py, line 2"
    assert "SyntaxError: invalid syntax" in problem.message


def test_a_missing_import_inside_the_module_is_the_modules_failure(write: Write) -> None:
    write("shop_o.py", "import no_such_library\n")
    problem = refused("shop_o")
    assert problem.where == "shop_o.py, line 1"
    assert "No module named 'no_such_library'" in problem.message


def test_a_module_that_exits_is_refused(write: Write) -> None:
    write("shop_p.py", "import sys\nsys.exit(3)\n")
    assert "SystemExit: 3" in refused("shop_p").message


def test_a_misused_decorator_speaks_for_itself(write: Write) -> None:
    write("shop_q.py", MARKED.replace("@function", "@function\n    @function"))
    with pytest.raises(ConfigurationError, match="two @function decorators"):
        load_app("shop_q", app_dir=Path())


def test_a_missing_attribute_is_refused_with_what_there_is(write: Write) -> None:
    write("shop_r.py", WITH_APP)
    problem = refused("shop_r:ap")
    assert problem.message == "shop_r has no attribute 'ap'"
    assert "apps: app" in str(problem.hint)
    assert "greet" in str(problem.hint)
    assert "did you mean app?" in str(problem.hint)


def test_an_attribute_that_is_no_app_is_refused(write: Write) -> None:
    write("shop_s.py", WITH_APP + "    number = 3\n    def make_app(): return app\n")
    assert refused("shop_s:number").message == "is 3, not an App"
    assert "--factory" in str(refused("shop_s:make_app").hint)
    assert refused("shop_s:greet").message == "is one function, not an App"


def test_a_module_without_marked_functions_is_refused(write: Write) -> None:
    write("shop_t.py", "def greet(event): ...\n")
    assert refused("shop_t").message == "has no function with an eventflow decorator"


def test_an_app_of_another_name_is_not_passed_over(write: Write) -> None:
    write("shop_u.py", WITH_APP.replace("app = App", "shop_app = App"))
    assert refused("shop_u").hint == "did you mean shop_u:shop_app?"


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("make_app = 3", "is 3, which cannot be called"),
        ("make_app = app", "is an App already"),
        ("async def make_app(): ...", "is an async function"),
        ("def make_app(): return 3", "returned 3 instead of an App"),
        ("def make_app(): raise ValueError('no database')", "fails when it is called: ValueError: no database"),
    ],
)
def test_a_factory_that_makes_no_app_is_refused(write: Write, definition: str, message: str) -> None:
    write("shop_v.py", WITH_APP + f"    {definition}\n")
    assert message in refused("shop_v:make_app", factory=True).message


def test_a_factory_needs_a_name(write: Write) -> None:
    write("shop_w.py", WITH_APP)
    assert refused("shop_w", factory=True).message == "names no factory"
