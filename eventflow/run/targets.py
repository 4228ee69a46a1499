"""Targets: from ``shop``, ``shop:app`` or ``path/to/shop.py`` on a command line to an :class:`~eventflow.App`."""

from __future__ import annotations

import importlib
import inspect
import sys
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from eventflow.app import App
from eventflow.errors import ConfigurationError, Problem, TargetError
from eventflow.model.suggestions import ask_for, did_you_mean
from eventflow.run.user_errors import described, meant_option, place_of, with_user_frames
from eventflow.triggers._marks import marks_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_OFFERED: Final = 3
SYNTAX: Final = "use module, module:attribute or path/to/file.py[:attribute]"


class Target(NamedTuple):
    """A target as it was written, taken apart. ``path`` is set for files; ``attribute`` may be dotted."""

    text: str
    module: str
    path: Path | None = None
    attribute: str | None = None

    @property
    def import_root(self) -> Path | None:
        """The directory that a file is imported from."""
        return None if self.path is None else _import_root(self.path)

    @classmethod
    def parse(cls, text: str) -> Target:
        """Take the text of a target apart. Raises TargetError if it is not one, or names a file that is not there."""
        module, colon, attribute = text.partition(":")
        if colon and not _is_dotted_name(attribute):
            _refuse(text, f"{attribute!r} is not an attribute", SYNTAX)
        if module.endswith(".py") or "/" in module:
            path = _file(text, Path(module))
            return cls(text=text, module=_module_name(text, path), path=path, attribute=attribute or None)
        if not _is_dotted_name(module):
            _refuse(text, f"{module!r} is not a module", SYNTAX)
        return cls(text=text, module=module, attribute=attribute or None)


def load_app(target: str, *, app_dir: Path = Path(), factory: bool = False) -> App:
    """The app that ``target`` names; importing it runs the user's module.

    ``module`` is its ``app`` if that is an App, else an app of its marked functions; ``module:attribute`` is the
    App of that name, or with ``factory`` what calling it returns. ``app_dir`` is where modules are looked for
    first; a file is imported under its own name from its own directory, so that other processes find it too.
    Raises TargetError; when the user's code failed, its cause is the user's exception with the user's frames only.
    Raises ConfigurationError for decorators that are used in a wrong way.
    """
    parsed = Target.parse(target)
    _make_importable(_import_root(parsed.path) if parsed.path else app_dir.resolve())
    module = _import(parsed, app_dir)
    if parsed.attribute is None:
        if factory:
            _refuse(target, "names no factory", f"name the function that returns the app, like {target}:make_app")
        return _app_of_module(target, module)
    found = _attribute(parsed, module)
    return _call_factory(parsed, found) if factory else _as_app(target, found)


def _refuse(where: str, message: str, hint: str | None = None, *, cause: BaseException | None = None) -> NoReturn:
    raise TargetError([Problem(where=where, message=message, hint=hint)]) from cause


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


# Files


def _file(text: str, path: Path) -> Path:
    if path.is_dir():
        _refuse(text, f"{path} is a directory", "name a file in it, like " + str(path / "app.py"))
    if not path.is_file():
        _refuse(text, f"there is no file {path}", ask_for(_similar_files(path.stem, path.parent)))
    return path.resolve()


def _import_root(path: Path) -> Path:
    """The directory to import a file from: above every package that the file is in."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _module_name(text: str, path: Path) -> str:
    name = ".".join(path.relative_to(_import_root(path)).with_suffix("").parts).removesuffix(".__init__")
    if path.suffix != ".py" or not _is_dotted_name(name):
        _refuse(text, f"{path.name!r} cannot be imported as a module", "letters, digits and _, ending in .py")
    return name


def _make_importable(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


# Importing


def _import(target: Target, app_dir: Path) -> ModuleType:
    try:
        module = importlib.import_module(target.module)
    except ConfigurationError:  # a decorator was used in a wrong way, and says so itself
        raise
    except ModuleNotFoundError as exc:
        trimmed = with_user_frames(exc)
        if trimmed.__traceback__ is None:
            _refuse_missing(target, exc, app_dir)
        _refuse_broken(target, "fails while it is imported", trimmed)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 (the user's module may raise anything)
        _refuse_broken(target, "fails while it is imported", with_user_frames(exc))
    if target.path is not None and _origin(module) != target.path:
        hint = "rename the file: its name is taken"
        _refuse(target.text, f"there is another module {target.module!r}, {_origin(module) or 'built in'}", hint)
    return module


def _origin(module: ModuleType) -> Path | None:
    return Path(module.__file__).resolve() if module.__file__ else None


def _refuse_missing(target: Target, exc: ModuleNotFoundError, app_dir: Path) -> NoReturn:
    parent, _, name = target.module.rpartition(".")
    if parent and exc.name == target.module and hasattr(sys.modules.get(parent), name):
        _refuse(target.text, f"there is no module {target.module!r}", ask_for([f"{parent}:{name}"]))
    similar = ask_for(_similar_files(name, app_dir))
    hint = similar or f"modules are looked for in {app_dir.resolve()} first; --app-dir names another directory"
    _refuse(target.text, f"there is no module {exc.name!r}", hint)


def _similar_files(name: str, directory: Path) -> list[str]:
    """Files nearby that are called ``name``, else those with a similar name."""
    files = [path for pattern in ("*.py", "*/*.py") for path in sorted(directory.glob(pattern))]
    files = [path for path in files if not path.relative_to(directory).parts[0].startswith(".")]
    names = {path.stem for path in files}
    wanted = [name] if name in names else get_close_matches(name, names, n=_OFFERED)
    return [str(path) for stem in wanted for path in files if path.stem == stem][:_OFFERED]


def _refuse_broken(target: Target, what: str, exc: BaseException) -> NoReturn:
    where = place_of(exc) or target.text
    _refuse(where, f"{what}: {described(exc)}", meant_option(exc), cause=exc)


# From a module to its app


def _app_of_module(text: str, module: ModuleType) -> App:
    app = getattr(module, "app", None)
    if isinstance(app, App):
        return app
    apps = _names(module, lambda value: isinstance(value, App))
    if apps:  # an app of the functions alone would lack what that one says: its lifespan, its middleware
        _refuse(
            text, "has no `app`, but an App of another name", ask_for([f"{text}:{name}" for name in apps[:_OFFERED]])
        )
    if not _names(module, _is_marked):
        _refuse(text, "has no function with an eventflow decorator", "mark functions with @function or @on_...")
    return App.from_module(module)


def _attribute(target: Target, module: ModuleType) -> Any:
    attribute = target.attribute or ""
    try:
        return reduce(getattr, attribute.split("."), module)
    except AttributeError:
        _refuse(target.text, f"{target.module} has no attribute {attribute!r}", _offers(attribute, module))


def _offers(attribute: str, module: ModuleType) -> str:
    """What a module has that could have been meant."""
    apps = _names(module, lambda value: isinstance(value, App))
    marked = _names(module, _is_marked)
    offers = [f"apps: {', '.join(apps)}"] if apps else []
    offers += (
        [f"functions with decorators, which run when no attribute is named: {', '.join(marked)}"] if marked else []
    )
    callables = _names(module, lambda value: inspect.isfunction(value) and value.__module__ == module.__name__)
    meant = did_you_mean(attribute, [*apps, *callables])
    offers += [meant] if meant else []
    return "; ".join(offers) or "it has neither an App nor functions with eventflow decorators"


def _names(module: ModuleType, wanted: Callable[[Any], bool]) -> list[str]:
    return [name for name, value in vars(module).items() if not name.startswith("__") and wanted(value)]


def _is_marked(value: object) -> bool:
    return callable(value) and marks_of(value) is not None


def _call_factory(target: Target, factory: Any) -> App:
    if isinstance(factory, App) or not callable(factory):
        kind = "an App already" if isinstance(factory, App) else f"{factory!r}, which cannot be called"
        _refuse(target.text, f"is {kind}", "leave out --factory, or name a function that returns the app")
    if inspect.iscoroutinefunction(factory):
        _refuse(target.text, "is an async function", "a factory is a plain def that returns the app")
    try:
        found = factory()
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as exc:  # noqa: BLE001 (the user's factory may raise anything)
        _refuse_broken(target, f"{target.text} fails when it is called", with_user_frames(exc))
    if not isinstance(found, App):
        _refuse(target.text, f"returned {found!r} instead of an App", "return App([...])")
    return found


def _as_app(text: str, found: Any) -> App:
    if isinstance(found, App):
        return found
    module = text.partition(":")[0]
    if _is_marked(found):
        _refuse(text, "is one function, not an App", f"{module} alone runs every marked function of the module")
    if inspect.isroutine(found):
        _refuse(text, "is a function, not an App", "call it with --factory if it returns the app")
    _refuse(text, f"is {found!r}, not an App", f"{module} alone runs every marked function of the module")
