"""Three steps of `completion_log_probs`, plain and in a DeepSpeed ZeRO-3 engine; writes the losses of each."""

import logging
import os
import socket
import sys

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed
import torch
from deepspeed.utils import logger

from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.nano import build_processor, build_thinker
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, TokenizerParams
from soundmind_pipeline.policy.prompts import PromptEncoder


class Step(torch.nn.Module):
    def __init__(self, policy: torch.nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, prompts, completions, chunk_rows):
        result = completion_log_probs(
            self.policy, prompts, completions, banned_ids=(0, 1), entropy=True, chunk_rows=chunk_rows
        )
        return -result.log_probs.mean() - 0.01 * result.entropy.mean()


def run(lora: bool, zero3: bool) -> list[float]:
    processor = build_processor(["tom is happy."] * 3, TokenizerParams())
    params = NanoPolicyParams(audio_dim=32, audio_layers=1, audio_heads=2, hidden_dim=32, layers=2, ffn_dim=64)
    model = build_thinker(params, processor, seed=0)
    step = Step(add_lora(model, LoraParams(rank=4)) if lora else model)
    weights = [weight for weight in step.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2)
    engine = with_zero3(step, optimizer, weights) if zero3 else None
    prompt = PromptEncoder(processor, "does it follow?").encode("tom is happy.", None, "text")
    losses = []
    for _ in range(3):
        loss = (engine or step)([prompt] * 2, [[40, 41, 42, 2], [50, 51, 2]], 3 if zero3 else None)
        if engine:
            engine.backward(loss)
            engine.step()
        else:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    return losses


def with_zero3(step, optimizer, weights):
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
        "gradient_clipping": 0.0,  # its default is 1
        "steps_per_print": 10**9,
    }
    return deepspeed.initialize(model=step, optimizer=optimizer, model_parameters=weights, config=config)[0]


def main() -> None:
    torch.set_num_threads(1)
    logger.setLevel(logging.ERROR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({key: str(value) for key, value in address.items()})
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled, for a minute or two
    deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    for lora in (True, False):
        for zero3 in (False, True):
            sys.stdout.write(" ".join(["loss", *map(str, run(lora, zero3))]) + "\n")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
