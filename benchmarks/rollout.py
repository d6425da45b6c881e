"""Rollout speed against transformers' `generate(num_return_sequences=n)`: tokens per CPU second, audio prompts.

    OMP_NUM_THREADS=1 python benchmarks/rollout.py

Needs a CPU, no download and no data: the nano Thinker gets random weights, and the clips are noise. Both sides run on
the same weights, prompts (padded, of unequal length), number of samples, temperature, longest completion and end of
turn, one thread, in interleaved pairs; the median of the pairs' ratios is reported. A token counts once, the end of
turn included; padding behind it does not. What differs: ours also returns the log-probability of each token and bans
control tokens; `generate` is spared both.

The end of turn of random weights would hardly ever be drawn, so a token that a pilot run draws about once in 60 is made
the end of turn. The last line is one JSON object.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers

from soundmind_pipeline.policy.batch import prompt_batch
from soundmind_pipeline.policy.nano import build_processor, build_thinker
from soundmind_pipeline.policy.params import NanoPolicyParams, SamplingParams, TokenizerParams
from soundmind_pipeline.policy.prompts import Prompt, PromptEncoder
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("ado", "ell", "ine", "oru", "usk")]


def make_policy() -> tuple[Any, Any]:
    """A nano Thinker with random weights and a tokenizer of some 400 tokens."""
    texts = [" ".join(np.random.default_rng(seed).permutation(WORDS)) for seed in range(20)]
    processor = build_processor(texts, TokenizerParams())
    return build_thinker(NanoPolicyParams(), processor, seed=0).eval(), processor


def make_prompts(processor: Any, seconds: Sequence[float]) -> list[Prompt]:
    """Spoken prompts of noise of the given lengths."""
    random = np.random.default_rng(0)
    encoder = PromptEncoder(processor, "does it follow?")
    clips = [random.standard_normal((round(100 * length), 128)).astype(np.float32) for length in seconds]
    return [encoder.encode("", clip, "audio") for clip in clips]


def hugging_face(model: Any, prompts: Sequence[Prompt], processor: Any, **options: Any) -> list[list[int]]:
    """`generate` on the padded batch; tokens up to and with the end of turn."""
    batch = prompt_batch(model, prompts)
    clips = [torch.from_numpy(prompt.log_mel) for prompt in prompts]
    features = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).transpose(1, 2)
    lengths = torch.tensor([len(clip) for clip in clips])
    eos = processor.tokenizer.eos_token_id
    rows = model.generate(
        input_ids=batch.token_ids,
        attention_mask=batch.mask.long(),
        input_features=features,
        feature_attention_mask=(torch.arange(features.shape[-1]) < lengths.unsqueeze(-1)).long(),
        eos_token_id=eos,
        pad_token_id=processor.tokenizer.pad_token_id,
        **options,
    )[:, batch.token_ids.shape[1] :].tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


def end_turn_at_a_common_token(model: Any, processor: Any, prompts: Sequence[Prompt]) -> float:
    """Declare a token the end of turn that a pilot run draws about once in 60; its share is returned."""
    pilot = SharedPrefixEngine(model, processor).generate(
        prompts, SamplingParams(n=8, max_new_tokens=64), torch.Generator().manual_seed(0)
    )
    counts = Counter(token for row in pilot.completions for token in row)
    token = min(counts, key=lambda token: abs(counts[token] / pilot.tokens - 1 / 60))
    processor.tokenizer.eos_token = processor.tokenizer.convert_ids_to_tokens(token)
    return counts[token] / pilot.tokens


def tokens_per_cpu_second(run: Callable[[], Sequence[Sequence[int]]]) -> float:
    """Tokens that `run` returns, by the CPU seconds that it takes."""
    start = time.process_time()
    tokens = sum(map(len, run()))
    return tokens / (time.process_time() - start)


def compare(seconds: Sequence[float], args: argparse.Namespace) -> dict[str, Any]:
    """Time both sides on prompts of the given lengths and compare their greedy tokens."""
    model, processor = make_policy()
    prompts = make_prompts(processor, seconds)
    eos_share = end_turn_at_a_common_token(model, processor, prompts)
    engine = SharedPrefixEngine(model, processor)
    sampling = SamplingParams(n=args.samples, max_new_tokens=args.new_tokens)
    generator = torch.Generator().manual_seed(1)

    def ours() -> list[list[int]]:
        return engine.generate(prompts, sampling, generator).completions

    def theirs() -> list[list[int]]:
        return hugging_face(
            model,
            prompts,
            processor,
            max_new_tokens=args.new_tokens,
            num_return_sequences=args.samples,
            do_sample=True,
            top_k=0,
        )

    pairs = [(tokens_per_cpu_second(ours), tokens_per_cpu_second(theirs)) for _ in range(args.pairs + 1)][1:]
    greedy = engine.generate(prompts, SamplingParams(max_new_tokens=args.new_tokens, temperature=0)).completions
    banned = list(engine.banned_ids)
    reference = hugging_face(
        model, prompts, processor, max_new_tokens=args.new_tokens, do_sample=False, suppress_tokens=banned
    )
    return {
        "ratio": round(statistics.median(own / other for own, other in pairs), 2),
        "tokens_per_cpu_second": round(statistics.median(own for own, _ in pairs)),
        "generate_tokens_per_cpu_second": round(statistics.median(other for _, other in pairs)),
        "greedy_equal": greedy == reference,
        "prompt_tokens": [len(prompt) for prompt in prompts],
        "end_of_turn_share": round(eos_share, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="timed pairs, after one that is not counted")
    parser.add_argument("--samples", type=int, default=8, help="completions a prompt")
    parser.add_argument("--new-tokens", type=int, default=96, help="longest completion")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()
    short = [2.4, 2.8, 3.0, 3.3, 2.6, 3.1, 2.9, 3.5]
    long = [55.0, 60.0, 62.5, 58.0]
    result = {}
    for name, seconds in (("nano_3s", short), ("nano_60s", long)):
        result[name] = compare(seconds, args)
        print(name, result[name])
    print(json.dumps({"benchmark": "rollout", "samples": args.samples, "new_tokens": args.new_tokens, **result}))


if __name__ == "__main__":
    main()
