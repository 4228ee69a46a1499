from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from eventflow.errors import AdapterError, InvalidMessageError, UnavailableError
from eventflow_aws.coalescing import Coalescer


class Service:
    """Answers batch requests when it is told to, or at once."""

    def __init__(self, *, held: bool = False, maximum_requests: int = 8) -> None:
        self.requests: list[list[str]] = []
        self.running = 0
        self.most_running = 0
        self.gate = asyncio.Event()
        if not held:
            self.gate.set()
        self.coalescer = Coalescer(
            "sns:orders", self.send, maximum_count=3, maximum_bytes=100, maximum_requests=maximum_requests
        )

    async def send(self, entries: Sequence[str]) -> list[str | AdapterError]:
        self.requests.append(list(entries))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if "spoils all" in entries:
            raise InvalidMessageError("sns:orders", "no")
        if "away" in entries:
            raise UnavailableError("sns:orders", "away")
        return [UnavailableError("sns:orders", entry) if entry == "fails" else entry.upper() for entry in entries]


async def turns() -> None:
    """Until nothing more happens by itself."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lone_entry_goes_at_once() -> None:
    service = Service()
    assert await service.coalescer.submit("a") == "A"
    assert service.requests == [["a"]]


async def test_entries_of_one_turn_share_requests_up_to_the_count() -> None:
    service = Service()
    answers = await asyncio.gather(*(service.coalescer.submit(entry) for entry in "abcd"))
    assert answers == ["A", "B", "C", "D"]
    assert service.requests == [["a", "b", "c"], ["d"]]


async def test_requests_are_limited_by_bytes_and_a_larger_entry_goes_alone() -> None:
    service = Service()
    sizes = {"a": 60, "b": 40, "c": 1, "d": 500, "e": 1}
    await asyncio.gather(*(service.coalescer.submit(entry, size_bytes=size) for entry, size in sizes.items()))
    assert service.requests == [["a", "b"], ["c"], ["d"], ["e"]]


async def test_entries_collect_while_every_request_is_under_way() -> None:
    service = Service(held=True, maximum_requests=1)
    senders = []
    for entry in "abcdef":
        senders.append(asyncio.ensure_future(service.coalescer.submit(entry)))
        await turns()
    service.gate.set()
    await asyncio.gather(*senders)
    assert service.requests == [["a"], ["b", "c", "d"], ["e", "f"]]
    assert service.most_running == 1


async def test_each_entry_gets_its_own_answer() -> None:
    service = Service()
    answers = await service.coalescer.submit_many([("a", 0), ("fails", 0), ("c", 0)])
    assert answers[::2] == ["A", "C"]
    assert isinstance(answers[1], UnavailableError)


async def test_a_failed_request_fails_all_its_entries() -> None:
    service = Service()
    answers = await service.coalescer.submit_many([("a", 0), ("away", 0)])
    assert [type(answer) for answer in answers] == [UnavailableError, UnavailableError]
    with pytest.raises(UnavailableError, match="away"):
        await service.coalescer.submit("away")


async def test_an_entry_that_spoils_its_request_fails_alone() -> None:
    service = Service()
    good, bad, other = await service.coalescer.submit_many([("a", 0), ("spoils all", 0), ("c", 0)])
    assert (good, other) == ("A", "C")
    assert isinstance(bad, InvalidMessageError)


async def test_too_few_answers_are_nobodys_success() -> None:
    async def send(entries: Sequence[str]) -> list[str | AdapterError]:
        return []

    coalescer = Coalescer("sns:orders", send, maximum_count=3, maximum_bytes=100)
    with pytest.raises(ValueError, match="shorter"):
        await coalescer.submit("a")


async def test_an_entry_that_waits_is_taken_back_with_its_submitter() -> None:
    service = Service(held=True, maximum_requests=1)
    first = asyncio.ensure_future(service.coalescer.submit("a"))
    await turns()
    second, third = (asyncio.ensure_future(service.coalescer.submit(entry)) for entry in "bc")
    await turns()
    second.cancel()
    service.gate.set()
    assert await first == "A"
    assert await third == "C"
    assert service.requests == [["a"], ["c"]]


async def test_cancelling_one_submitter_leaves_the_others_of_its_request_alone() -> None:
    service = Service(held=True)
    first, second = (asyncio.ensure_future(service.coalescer.submit(entry)) for entry in "ab")
    await turns()
    first.cancel()
    await turns()
    service.gate.set()
    assert await second == "B"
    assert service.requests == [["a", "b"]]


async def test_closing_sends_what_was_taken_and_takes_no_more() -> None:
    service = Service(held=True, maximum_requests=1)
    senders = [asyncio.ensure_future(service.coalescer.submit(entry)) for entry in "abcde"]
    await turns()
    closing = asyncio.ensure_future(service.coalescer.aclose())
    await turns()
    with pytest.raises(UnavailableError, match="is closed"):
        await service.coalescer.submit("late")
    service.gate.set()
    await closing
    assert [await sender for sender in senders] == ["A", "B", "C", "D", "E"]
    await service.coalescer.aclose()


async def test_a_close_that_is_cancelled_leaves_nobody_waiting() -> None:
    service = Service(held=True, maximum_requests=1)
    senders = [asyncio.ensure_future(service.coalescer.submit(entry)) for entry in "abcde"]
    await turns()
    closing = asyncio.ensure_future(service.coalescer.aclose())
    await turns()
    closing.cancel()
    answers = await asyncio.gather(*senders, return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnavailableError] * 5
    assert service.running == 0
