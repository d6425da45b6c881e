"""Run by torchrun in test_two_ranks.py: SFT, then RL from its result, then SFT in other settings; rank 0 writes all."""

import pickle
import sys
from pathlib import Path

from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.training.ranks import process_group
from soundmind_pipeline.training.reinforce.trainer import train_rl
from soundmind_pipeline.training.sft import train_sft

job = pickle.loads(Path(sys.argv[1]).read_bytes())
out = Path(sys.argv[1]).parent
with process_group(1) as ranks:  # kept open over both stages: a launcher's port serves once
    sink = ListSink()
    folder, sft = train_sft(job["policy"], *job["toy"], out / "sft", sink, job["sft"], job["deepspeed"])
    adapter, rl = train_rl(folder, *job["toy"], out / "rl", sink, job["rl"], job["deepspeed"])
    told = ranks.gathered(len(sink.rows))
    histories = {
        key: train_sft(job["policy"], *job["toy"], out / "other", ListSink(), params, deepspeed)[1]
        for key, (params, deepspeed) in job["settings"].items()
    }
    if ranks.is_main:
        result = {"sft": sft, "rl": rl, "adapter": adapter, "told": told, "settings": histories}
        (out / "result.pkl").write_bytes(pickle.dumps(result))
