"""A chat endpoint on this machine that answers, fails and dawdles as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd
import pytest

from soundmind_pipeline.problems.construction.params import EndpointParams
from soundmind_pipeline.problems.schema import TEXT_DTYPES

KEY = "sk-secret-0123456789"


class Endpoint:
    """The server's script and its memory.

    Attributes:
        respond: Makes the response to a request body: a dict is a JSON body with status 200; (status, body, headers)
            is sent as it is, a body of bytes raw; None closes the connection without a word.
        requests: Bodies of the requests so far.
        keys: Their Authorization headers.
        most_at_once: Highest number of requests under way together.
        seconds: How long each response takes.
    """

    def __init__(self) -> None:
        self.respond: Callable[[dict[str, Any]], Any] = lambda body: completion("It follows.\nAnswer: entailed.")
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.most_at_once = self.under_way = 0
        self.seconds = 0.0
        self.lock = threading.Lock()
        self.base_url = ""


def completion(content: Any, reasoning: str | None = None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion that cost 10 + 20 tokens."""
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with endpoint.lock:
                endpoint.requests.append(body)
                endpoint.keys.append(self.headers["Authorization"])
                endpoint.under_way += 1
                endpoint.most_at_once = max(endpoint.most_at_once, endpoint.under_way)
                response = endpoint.respond(body)
            time.sleep(endpoint.seconds)
            with endpoint.lock:
                endpoint.under_way -= 1
            if response is None:
                self.close_connection = True
                return
            status, content, headers = response if isinstance(response, tuple) else (200, response, {})
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True  # the client did not wait

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A server that runs as long as the test; its key is in the environment."""
    monkeypatch.setenv("TEST_ENDPOINT_KEY", KEY)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    script = Endpoint()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    script.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield script
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(endpoint: Endpoint) -> Callable[..., EndpointParams]:
    """Parameters that lead to the server."""

    def make(**changes: Any) -> EndpointParams:
        defaults = {
            "base_url": endpoint.base_url,
            "model": "m",
            "api_key_env": "TEST_ENDPOINT_KEY",
            "max_tokens": 100,
            "timeout_seconds": 60.0,  # a busy machine must not make it ask again
            "max_retries": 2,
        }
        return EndpointParams(**(defaults | changes))

    return make


@pytest.fixture
def make_rows() -> Callable[..., pd.DataFrame]:
    """Rows of the LogiQA kind: triplet and label, nothing constructed yet."""

    def make(count: int, **columns: Any) -> pd.DataFrame:
        rows = [
            dict.fromkeys(TEXT_DTYPES)
            | {
                "split": "train",
                "id": f"{number:04d}",
                "uid": f"train/{number:04d}",
                "major_premise": f'Every "A{number}" is a B',
                "minor_premise": f"x is an A{number}",
                "conclusion": "x is a B",
                "label": 1,
                "source_label": 1,
                "label_conflict": False,
                "provenance": json.dumps({"source": "logiqa_nli", "file": "train.txt", "line": number}),
            }
            | columns
            for number in range(1, count + 1)
        ]
        return pd.DataFrame(rows, columns=list(TEXT_DTYPES)).astype(TEXT_DTYPES)

    return make
