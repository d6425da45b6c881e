"""What becomes of memory that a training step has freed."""

import ctypes
import sys

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 32 << 20  # glibc takes no larger threshold


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks of up to 32 MB for the next step, from now on and for the whole process.

    A step asks for the blocks that the step before has freed. Left alone, glibc hands them back in between, and they
    return as pages that the kernel clears one fault at a time: up to a tenth of the CPU time of a round of RL at nano
    size. The peak of resident memory stays what it was. Other C libraries and the memory of GPUs are left alone.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # not in musl
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
