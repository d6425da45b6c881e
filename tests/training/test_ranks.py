import sys

from soundmind_pipeline.training.ranks import process_group


def test_leaving_the_group_leaves_tracebacks_as_they_were():
    # An ablation joins a dozen times in one process: "[rank0]:" would stand a dozen times before every line.
    before = sys.excepthook
    for _ in range(2):
        with process_group(threads=1):
            assert sys.excepthook is not before
        assert sys.excepthook is before
