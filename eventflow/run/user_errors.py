"""Exceptions of the user's code while it is loaded: where they come from, and what to show of them."""

from __future__ import annotations

import importlib
import os
import re
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

import eventflow
from eventflow.model.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_THE_USERS: Final = (
    "<frozen importlib",
    str(Path(importlib.__file__).parent) + os.sep,
    str(Path(__file__).resolve().parent.parent) + os.sep,
)
_UNKNOWN_OPTION: Final = re.compile(r"(\w+)\(\) got an unexpected keyword argument '(\w+)'")
"""As Python says it; from 3.13 on, what could have been meant follows."""


def with_user_frames(exc: BaseException) -> BaseException:
    """The exception without the frames of eventflow and of the import machinery."""
    kept: TracebackType | None = None
    for frame in reversed(list(_frames(exc.__traceback__))):
        if not frame.tb_frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return exc.with_traceback(kept)


def described(exc: BaseException) -> str:
    """Class and text, on one line if the text is."""
    text = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def place_of(exc: BaseException) -> str | None:
    """Where an exception was raised (``shop.py, line 3``), or where the syntax is wrong."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{_shown(exc.filename)}, line {exc.lineno}"
    frames = list(_frames(exc.__traceback__))
    return f"{_shown(frames[-1].tb_frame.f_code.co_filename)}, line {frames[-1].tb_lineno}" if frames else None


def meant_option(exc: BaseException) -> str | None:
    """What to say to a call of one of eventflow's functions with an option that it does not have."""
    frames = list(_frames(exc.__traceback__))
    found = _UNKNOWN_OPTION.match(str(exc)) if isinstance(exc, TypeError) and frames else None
    if found is None:
        return None
    name, option = found.groups()
    called = getattr(eventflow, name, None)
    if called is None or frames[-1].tb_frame.f_globals.get(name, called) is not called:
        return None
    options = [each.name for each in signature(called).parameters.values() if each.kind is each.KEYWORD_ONLY]
    return did_you_mean(option, options) or f"options: {', '.join(sorted(options))}"


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _shown(filename: str) -> str:
    path, here = Path(filename), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else filename
