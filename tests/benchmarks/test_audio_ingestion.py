import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "audio_ingestion.py"


def test_both_sides_scan_the_same_clips():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--files", "2", "--peer-files", "2"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["files"], result["usable"]) == (2, 2)
    assert result["largest_difference_in_speech_seconds"] < 0.5
    assert result["ratio_to_librosa"] > 0
    assert set(result["containers_times_real_time_per_core"]) == {"flac", "ogg", "mp3"}
