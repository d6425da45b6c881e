from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.speech import shard_plan
from soundmind_pipeline.speech.log_mels import SpokenClip
from soundmind_pipeline.speech.shard_plan import FRAME_BYTES, PlannedShard, plan_shards


def clips(*frames):
    return [(f"train/{n:04d}", SpokenClip(f"/clips/{n}.wav", f"{n:064d}", count)) for n, count in enumerate(frames)]


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 300))
def test_every_clip_is_in_one_shard_in_order_and_no_shard_grows_past_its_bound(frames, bound):
    items = clips(*frames)
    planned = plan_shards(items, bound * FRAME_BYTES)
    assert [item for shard in planned for item in shard.clips] == items
    assert [shard.name for shard in planned] == [f"shard-{n:05d}" for n in range(len(planned))]
    for shard in planned:
        assert shard.bytes == sum(clip.frames for _, clip in shard.clips) * FRAME_BYTES
        assert shard.bytes - shard.clips[-1][1].frames * FRAME_BYTES < bound * FRAME_BYTES, "it closes once it is full"
    assert all(shard.bytes >= bound * FRAME_BYTES for shard in planned[:-1])


def test_seconds_of_a_shard():
    assert PlannedShard("shard-00000", tuple(clips(100, 250))).seconds == 3.5


def test_the_fingerprint_tells_contents_and_settings_but_not_places(monkeypatch):
    shard = PlannedShard("shard-00000", tuple(clips(10, 20)))
    (uid, clip), second = shard.clips
    moved = replace(shard, clips=((uid, replace(clip, file="/elsewhere.wav")), second))
    changed = replace(shard, clips=((uid, replace(clip, sha256="f" * 64)), second))
    renamed = replace(shard, clips=(("dev/0000", clip), second))
    swapped = replace(shard, clips=(second, (uid, clip)))
    assert moved.fingerprint == shard.fingerprint
    prints = {item.fingerprint for item in (shard, changed, renamed, swapped)}
    monkeypatch.setattr(shard_plan, "_SETTINGS", (99,))
    assert len({*prints, shard.fingerprint}) == 5
