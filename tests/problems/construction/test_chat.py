import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.problems.construction.chat import ChatClient, RequestFailedError

from .conftest import KEY, completion

MESSAGES = ({"role": "user", "content": "Does it follow?"},)
SOON = {"Retry-After-Ms": "10"}


def ask(params, cache, *, times=1, attempt=0, messages=MESSAGES):
    """The replies to the same or to different messages, asked for together."""

    async def run():
        async with ChatClient(params, cache) as client:
            asked = [messages] * times if isinstance(messages, tuple) else messages
            replies = await asyncio.gather(*(client.ask(one, attempt) for one in asked))
            return replies, client

    return asyncio.run(run())


def numbered(count):
    return [({"role": "user", "content": f"question {number}"},) for number in range(count)]


def in_turn(*responses):
    """Each response once, then the last for ever."""
    left = list(responses)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_reply_with_its_parts(endpoint, settings, tmp_path):
    endpoint.respond = lambda body: completion("Answer: entailed.", "First … then.")
    (reply,), _ = ask(settings(temperature=None, seed=3, extra_body={"top_k": 5}), tmp_path)
    assert reply.content == "Answer: entailed." and reply.reasoning == "First … then."
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish_reason) == (10, 20, "stop")
    sent = endpoint.requests[0]
    assert sent == {
        "model": "m",
        "messages": list(MESSAGES),
        "max_tokens": 100,
        "top_p": 0.95,
        "seed": 3,
        "top_k": 5,
    }
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_each_attempt_has_a_seed_of_its_own(endpoint, settings, tmp_path):
    for attempt in (0, 1):
        ask(settings(seed=7), tmp_path, attempt=attempt)
    assert [request["seed"] for request in endpoint.requests] == [7, 8]


def test_the_token_limit_has_the_name_that_the_server_knows(endpoint, settings, tmp_path):
    ask(settings(token_limit_key="max_completion_tokens"), tmp_path)
    assert endpoint.requests[0]["max_completion_tokens"] == 100 and "max_tokens" not in endpoint.requests[0]


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"error": {"message": "slow down"}}, SOON),
        (500, {"error": {"message": "oops"}}, SOON),
        (503, b"<html>overloaded</html>", {**SOON, "Content-Type": "text/html"}),
        None,
        (200, b'{"choices": [{"mess', {}),
        (200, b"<html>please log in</html>", {"Content-Type": "text/html"}),
        {"choices": [], "usage": None},
        {"error": {"message": "no choices at all"}},
    ],
    ids=["429", "500", "503 in HTML", "connection lost", "JSON cut off", "HTML", "no choice", "no completion"],
)
def test_a_passing_fault_is_retried_and_a_lasting_one_reported(endpoint, settings, tmp_path, fault):
    endpoint.respond = in_turn(fault, completion("fine"))
    (reply,), _ = ask(settings(), tmp_path / "passing")
    assert reply.content == "fine" and len(endpoint.requests) == 2

    endpoint.requests.clear()
    endpoint.respond = in_turn(fault)
    with pytest.raises(RequestFailedError, match=r"\w{3}"):
        ask(settings(max_retries=1), tmp_path / "lasting")
    assert len(endpoint.requests) == 2


def test_retry_after_is_honoured(endpoint, settings, tmp_path):
    endpoint.respond = in_turn((429, {}, {"Retry-After": "1"}), completion("fine"))
    start = time.monotonic()
    ask(settings(), tmp_path)
    assert time.monotonic() - start >= 1.0


def test_a_slow_server_is_not_waited_for(endpoint, settings, tmp_path):
    endpoint.seconds = 30.0
    with pytest.raises(RequestFailedError, match=r"no reply within 0\.5 s"):
        ask(settings(timeout_seconds=0.5, max_retries=0), tmp_path)


def test_a_server_that_is_not_there(settings, tmp_path):
    with pytest.raises(RequestFailedError, match="no connection"):
        ask(settings(base_url="http://127.0.0.1:9/v1", max_retries=0), tmp_path)


def test_a_request_that_is_refused_is_not_repeated(endpoint, settings, tmp_path):
    endpoint.respond = lambda body: (400, {"error": {"message": "context too long"}}, {})
    with pytest.raises(RequestFailedError, match="context too long"):
        ask(settings(), tmp_path)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"), [(401, "key is not accepted"), (402, "balance"), (403, "may not use"), (404, "no such")]
)
def test_what_no_row_can_survive_stops_the_run(endpoint, settings, tmp_path, status, words, caplog):
    caplog.set_level(logging.DEBUG)
    # Some servers echo the key.
    endpoint.respond = lambda body: (status, {"error": {"message": f"Incorrect API key: {KEY}"}}, {})
    with pytest.raises(SoundmindError, match=words) as error:
        ask(settings(), tmp_path)
    assert "m: " in str(error.value) and len(endpoint.requests) == 1
    assert KEY not in f"{error.value}{error.value.hint}{caplog.text}" and "***" in str(error.value)


def test_the_key_stands_nowhere(endpoint, settings, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    params = settings()
    ask(params, tmp_path)
    assert KEY.encode() not in everything_in(tmp_path) and b"entailed" in everything_in(tmp_path)
    assert KEY not in caplog.text and KEY not in params.model_dump_json()


def test_a_key_that_is_not_set(endpoint, settings, tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_ENDPOINT_KEY")
    with pytest.raises(SoundmindError, match="TEST_ENDPOINT_KEY is not set"):
        ask(settings(), tmp_path)
    monkeypatch.setenv("TEST_ENDPOINT_KEY", "two words")
    with pytest.raises(SoundmindError, match="holds a blank") as error:
        ask(settings(), tmp_path)
    assert "two words" not in str(error.value)
    monkeypatch.setenv("OPENAI_API_KEY", "somebody else's")
    ask(settings(api_key_env=None), tmp_path)
    assert endpoint.keys == ["Bearer none"]


def test_no_more_requests_at_once_than_allowed(endpoint, settings, tmp_path):
    endpoint.seconds = 0.3
    ask(settings(concurrency=3), tmp_path, messages=numbered(6))
    assert endpoint.most_at_once == 3 and len(endpoint.requests) == 6


def test_the_cache_answers_the_same_request_only(endpoint, settings, tmp_path):
    (first,), _ = ask(settings(), tmp_path)
    (again,), client = ask(settings(concurrency=1, timeout_seconds=1.0, token_budget=10_000), tmp_path)
    assert again == first and len(endpoint.requests) == 1 and (client.paid, client.found) == (0, 1)
    for changed in (settings(temperature=0.1), settings(model="other"), settings(max_tokens=50)):
        ask(changed, tmp_path)
    ask(settings(), tmp_path, attempt=1)
    ask(settings(), tmp_path, messages=numbered(1))
    assert len(endpoint.requests) == 6


def test_the_same_question_twice_is_paid_once(endpoint, settings, tmp_path):
    endpoint.seconds = 0.1
    replies, client = ask(settings(), tmp_path, times=5)
    assert len(endpoint.requests) == 1 and len(set(replies)) == 1 and (client.paid, client.found) == (1, 4)


def test_a_failure_is_not_kept(endpoint, settings, tmp_path):
    endpoint.respond = lambda body: (400, {}, {})
    with pytest.raises(RequestFailedError):
        ask(settings(), tmp_path)
    endpoint.respond = lambda body: completion("fine")
    assert ask(settings(), tmp_path)[0][0].content == "fine"


def test_the_budget_is_never_exceeded_and_says_how_to_go_on(endpoint, settings, tmp_path):
    # A request may take its bytes + 16 + 100 tokens (126) and takes 30.
    with pytest.raises(SoundmindError, match="budget ends here: 180 of 300") as error:
        ask(settings(token_budget=300, concurrency=4), tmp_path, messages=numbered(20))
    assert "token_budget" in error.value.hint
    assert len(endpoint.requests) == 6
    _, client = ask(settings(token_budget=1000), tmp_path, messages=numbered(20))
    assert len(endpoint.requests) == 20 and (client.paid, client.found) == (14, 6)
    assert client.budget.spent == 600


def test_a_server_that_counts_no_tokens_is_charged_the_most_they_can_be(endpoint, settings, tmp_path):
    endpoint.respond = lambda body: completion("fine") | {"usage": None}
    (reply,), client = ask(settings(), tmp_path)
    assert reply.tokens == client.budget.spent == len("Does it follow?") + 16 + 100


def test_many_failures_in_a_row_end_the_run(endpoint, settings, tmp_path):
    endpoint.respond = lambda body: (400, {"error": {"message": "unknown field"}}, {})

    async def run():
        async with ChatClient(settings(give_up_after=4), tmp_path) as client:
            for messages in numbered(20):
                try:
                    await client.ask(messages)
                except RequestFailedError:
                    continue

    with pytest.raises(SoundmindError, match=r"4 requests in a row have failed.*unknown field"):
        asyncio.run(run())
    assert len(endpoint.requests) == 4


def test_costs_are_those_of_this_run(endpoint, settings, tmp_path):
    priced = settings(prompt_price=1.0, completion_price=2.0)
    _, client = ask(priced, tmp_path, messages=numbered(4))
    assert client.cost == pytest.approx((4 * 10 * 1 + 4 * 20 * 2) / 1e6)
    assert ask(priced, tmp_path, messages=numbered(4))[1].cost == 0 and ask(settings(), tmp_path)[1].cost is None


def test_a_killed_run_goes_on_where_it_was(endpoint, settings, tmp_path):
    endpoint.seconds = 0.05
    params = settings(concurrency=1)
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from soundmind_pipeline.problems.construction.chat import ChatClient\n"
        "from soundmind_pipeline.problems.construction.params import EndpointParams\n"
        "async def run():\n"
        f"    async with ChatClient(EndpointParams(**{params.model_dump()!r}), Path({str(tmp_path)!r})) as client:\n"
        "        for number in range(1000):\n"
        "            await client.ask(({'role': 'user', 'content': f'question {number}'},))\n"
        "            print(number, flush=True)\n"
        "asyncio.run(run())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    for line in process.stdout:
        if line.strip() == "4":
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    replies, client = ask(params, tmp_path, messages=numbered(5))
    assert (client.paid, client.found, len(replies)) == (0, 5, 5)
    assert client.budget.spent >= 5 * 30


def test_the_cache_holds_plain_json(endpoint, settings, tmp_path):
    import diskcache

    ask(settings(), tmp_path)
    with diskcache.Cache(str(tmp_path)) as cache:
        values = [cache[key] for key in cache]
        assert cache.eviction_policy == "none"
    assert 30 in values
    assert [json.loads(value)["content"] for value in values if isinstance(value, str)] == [
        "It follows.\nAnswer: entailed."
    ]
