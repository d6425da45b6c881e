"""One of two processes of test_whitening_spans_the_ranks: RANK FOLDER, the batch in FOLDER/RANK.in."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from soundmind_pipeline.training.reinforce.advantages import compute_advantages, global_sum
from soundmind_pipeline.training.reinforce.losses import batch_totals
from soundmind_pipeline.training.reinforce.params import AlgorithmParams

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
rewards, kl, mask = torch.load(folder / f"{rank}.in")
whitened = compute_advantages(rewards, kl, mask, 1, AlgorithmParams(kl_beta=0.5))
totals = batch_totals(mask, 7)
torch.save(
    (whitened, global_sum(torch.tensor(rank + 1.0)).item(), totals.tokens, totals.sequences), folder / f"{rank}.out"
)
dist.destroy_process_group()
