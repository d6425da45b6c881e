"""Which rank is named when several ended without a word."""

import os
import time

import pytest

from soundmind_pipeline.training.launcher.diagnosis import diagnose
from soundmind_pipeline.training.launcher.job import JobFolder, Report

SUMMARY = """
Failures:
[1]:
  time      : 2026-11-23_16:40:01
  host      : worker
  rank      : {later} (local_rank: {later})
  exitcode  : -9 (pid: 2)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_16:40:00
  host      : worker
  rank      : {first} (local_rank: {first})
  exitcode  : -9 (pid: 1)
"""


@pytest.fixture
def job(tmp_path):
    """A launch of two ranks."""
    folder = JobFolder(tmp_path)
    for rank in range(2):
        folder.announce(rank, 2)
    return folder


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_silent_ranks_the_one_that_torchrun_saw_die_first_is_named(job, first):
    (job.path / "launcher.log").write_text(SUMMARY.format(first=first, later=1 - first))
    assert diagnose(job, None, 1, False).message.startswith(f"Rank {first} (pid {os.getpid()}")


def test_without_torchruns_word_the_lowest_silent_rank_is_named(job):
    assert diagnose(job, None, 1, False).message.startswith("Rank 0 ")


def test_a_rank_that_spoke_is_not_silent(job):
    (job.path / "launcher.log").write_text(SUMMARY.format(first=0, later=1))
    job.report(Report(0, "terminated", time.time()))
    assert diagnose(job, None, 1, False).message.startswith("Rank 1 ")
