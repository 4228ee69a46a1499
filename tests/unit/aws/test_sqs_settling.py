from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from eventflow.errors import AccessDeniedError, UnavailableError
from eventflow_aws.sqs.settling import MAXIMUM_HIDDEN_SECONDS, REQUEST_SECONDS, Settling
from tests.unit.aws.scripted_sqs import ScriptedSqs, failed, refusal, scripted_queue

Answer = Callable[[Sequence[dict[str, Any]]], Any]


@pytest.fixture
def sqs() -> ScriptedSqs:
    return ScriptedSqs()


@pytest.fixture
def settling(sqs: ScriptedSqs) -> Settling:
    return Settling(scripted_queue(sqs))


def receipts(sqs: ScriptedSqs) -> list[list[str]]:
    return [[entry["ReceiptHandle"] for entry in entries] for entries in sqs.entries]


def failing(code: str, *wanted: str, sender_fault: bool = True) -> Answer:
    """Entries with these receipts fail."""
    return lambda entries: [
        failed(entry, code, sender_fault=sender_fault) for entry in entries if entry["ReceiptHandle"] in wanted
    ]


async def test_deletes_of_one_turn_share_a_request(sqs: ScriptedSqs, settling: Settling) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(25):
            tasks.start_soon(settling.delete, [str(number)])
    assert [len(batch) for batch in receipts(sqs)] == [10, 10, 5]
    assert sorted(int(receipt) for batch in receipts(sqs) for receipt in batch) == list(range(25))


async def test_nothing_to_do_asks_nobody(sqs: ScriptedSqs, settling: Settling) -> None:
    await settling.delete([])
    assert await settling.hide([], 1) == []
    assert sqs.entries == []


@pytest.mark.parametrize("sender_fault", [True, False])
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
async def test_receipts_that_are_worth_nothing_are_told_from_the_others(
    code: str, sender_fault: bool, sqs: ScriptedSqs, settling: Settling
) -> None:
    sqs.answers.extend([failing(code, "old", sender_fault=sender_fault)] * 2)
    await settling.delete(["old", "new"])
    assert await settling.hide(["old", "new"], 30) == ["old"]
    assert len(sqs.entries) == 2


async def test_a_request_that_one_entry_spoils_is_repeated_entry_by_entry(sqs: ScriptedSqs, settling: Settling) -> None:
    spoilt = refusal("InvalidParameterValue")
    sqs.answers.extend([lambda _: spoilt, lambda _: [], lambda _: spoilt])
    assert await settling.hide(["good", "bad"], 30) == ["bad"]
    assert receipts(sqs) == [["good", "bad"], ["good"], ["bad"]]


async def test_what_fails_at_sqs_is_tried_again(sqs: ScriptedSqs, settling: Settling) -> None:
    sqs.answers.extend([failing("InternalError", "b", sender_fault=False)] * 2)
    await settling.delete(["a", "b", "c"])
    assert receipts(sqs) == [["a", "b", "c"], ["b"], ["b"]]


async def test_what_keeps_failing_at_sqs_fails_only_its_caller(sqs: ScriptedSqs, settling: Settling) -> None:
    sqs.answers.extend([failing("InternalError", "b", sender_fault=False)] * 3)
    deletes = [asyncio.ensure_future(settling.delete([receipt])) for receipt in "abc"]
    with pytest.raises(UnavailableError, match="sqs:DeleteMessage: InternalError: because of InternalError"):
        await deletes[1]
    await deletes[0]
    await deletes[2]
    assert len(sqs.entries) == 3


async def test_a_receipt_that_turns_out_old_on_the_second_try_is_no_failure(
    sqs: ScriptedSqs, settling: Settling
) -> None:
    sqs.answers.extend([failing("InternalError", "a", sender_fault=False), failing("ReceiptHandleIsInvalid", "a")])
    assert await settling.hide(["a"], 30) == ["a"]


@pytest.mark.parametrize(
    ("code", "error"), [("RequestThrottled", UnavailableError), ("AccessDeniedException", AccessDeniedError)]
)
async def test_a_request_that_fails_fails_all_who_are_in_it(
    code: str, error: type[Exception], sqs: ScriptedSqs, settling: Settling
) -> None:
    sqs.answers.append(lambda _: refusal(code))
    outcomes = await asyncio.gather(settling.delete(["a"]), settling.delete(["b"]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [error, error]


async def test_a_caller_that_is_cancelled_does_not_disturb_the_others(sqs: ScriptedSqs, settling: Settling) -> None:
    deletes = [asyncio.ensure_future(settling.delete([receipt])) for receipt in "abc"]
    await asyncio.sleep(0)
    deletes[1].cancel()
    await asyncio.gather(deletes[0], deletes[2])
    assert receipts(sqs)[0] in (["a", "c"], ["a", "b", "c"])


async def test_a_service_that_does_not_answer_is_given_up(sqs: ScriptedSqs, settling: Settling) -> None:
    async def hang(**_: object) -> dict[str, object]:
        await asyncio.sleep(1000)
        return {}

    sqs.delete_message_batch = hang  # type: ignore[method-assign]
    started = anyio.current_time()
    with pytest.raises(UnavailableError, match="no answer in time"):
        await settling.delete(["a"])
    assert anyio.current_time() - started == pytest.approx(REQUEST_SECONDS)


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 0), (0.2, 1), (30.0, 30), (50_000, MAXIMUM_HIDDEN_SECONDS), (-1, 0)]
)
async def test_seconds_are_whole_and_within_what_sqs_takes(
    seconds: float, asked: int, sqs: ScriptedSqs, settling: Settling
) -> None:
    await settling.hide(["a"], seconds)
    assert sqs.entries[0][0]["VisibilityTimeout"] == asked


async def test_closing_waits_for_what_was_asked_for(sqs: ScriptedSqs, settling: Settling) -> None:
    deleting = asyncio.ensure_future(settling.delete(["a"]))
    await asyncio.sleep(0)
    await settling.aclose()
    await deleting
    assert receipts(sqs) == [["a"]]
    with pytest.raises(UnavailableError, match="is closed"):
        await settling.delete(["b"])
