"""Gradient checkpointing: the language model's layers keep their inputs only and are computed anew going backward."""

from torch import nn

from soundmind_pipeline.policy.thinker import thinker_of


def recompute_layers(model: nn.Module) -> None:
    """Let the language model's layers recompute in the backward pass, in training mode; to be called once.

    The audio tower keeps its activations. In evaluation mode nothing changes, so that scoring still shares prompts.

    Args:
        model: A Thinker or a `PeftModel` around one, after `deepspeed.initialize`: how a layer must be recomputed
            depends on whether ZeRO-3 has spread frozen weights out.
    """
    language_model = thinker_of(model).model.language_model
    # ZeRO-3 gathers frozen weights in a backward pass of the layer's own only (`use_reentrant`), which in turn begins
    # at an input that requires a gradient. Trained weights would there be reduced before the outer pass has ended.
    reentrant = any(hasattr(weight, "ds_id") and not weight.requires_grad for weight in language_model.parameters())
    language_model.activation_checkpointing_enable({"use_reentrant": reentrant})
    if reentrant:
        language_model.enable_input_require_grads()
