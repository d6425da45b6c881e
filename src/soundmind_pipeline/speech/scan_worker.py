"""The scanning process: reads requests on stdin, one JSON line a file, and answers each with a JSON line of its facts.

Runs as a process of its own (``python -m soundmind_pipeline.speech.scan_worker PARAMETERS``), so that a decoder that
crashes, or never ends, takes nothing else with it. It ends when stdin ends, so it never outlives the one that started
it.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from soundmind_pipeline.speech.scan import ScanParams, scan_clip

READY: Final = "ready\n"
"""The first line, once everything is imported."""


def main() -> None:
    """Answer requests ``[path, root or null]`` until stdin ends."""
    params = ScanParams.model_validate_json(sys.argv[1])
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever a decoder prints is no answer
        answers.write(READY)
        answers.flush()
        for line in sys.stdin:
            path, root = json.loads(line)
            signal.alarm(params.timeout)  # nobody handles it: it ends the process, even inside a decoder
            facts = scan_clip(Path(path), params, None if root is None else Path(root))
            signal.alarm(0)
            answers.write(json.dumps(asdict(facts)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
