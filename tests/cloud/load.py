"""Work on the servers while an app runs, and what has to have become of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from tests.cloud.ledger import Ledger
from tests.cloud.serving import Deployment, wait_until


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[threading.Thread]:
    """Do ``work`` in a thread while the block runs. It ends by itself, or once its event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def nothing_is_missing(ledger: Ledger, sent: Sequence[str]) -> None:
    """Wait until everything that was accepted is handled."""
    assert sent
    wait_until(
        lambda: not ledger.missing(sent),
        what=lambda: f"of {len(sent)} these are not handled: {ledger.missing(sent)}",
    )


def one_of_two_is_killed(app: Deployment, ledger: Ledger, load: AbstractContextManager[list[str]]) -> None:
    """Two processes share a load, one is killed, and the other handles the rest."""
    with app.serve() as one, app.serve():
        with load as sent:
            wait_until(lambda: len(ledger.processes()) == 2, what="both processes handle something")
            one.kill()
            known = len(sent)
            wait_until(lambda: len(sent) > known + 100, what="the load goes on")
        nothing_is_missing(ledger, sent)
