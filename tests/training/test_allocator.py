import ctypes
import subprocess
import sys

import pytest

# Page faults of asking 50 times for the same 16 MB.
SCRIPT = """
import resource
import numpy as np
from soundmind_pipeline.training.allocator import keep_freed_memory
{call}
np.ones(1 << 21)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(1 << 21), np.ones(1 << 21)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(call=call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has such an option"
)
def test_freed_blocks_are_used_again():
    assert faults("keep_freed_memory()") < faults("") / 2
