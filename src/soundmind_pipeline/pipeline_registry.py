"""The registered pipelines: one a stage, and ``__default__`` for all of them but the ablation."""

from kedro.pipeline import Pipeline

from soundmind_pipeline.pipelines import ablation, audit, evaluation, features, ingestion, rl, sft


def register_pipelines() -> dict[str, Pipeline]:
    """Map pipeline names to pipelines; ``rl`` ends with the evaluation, so that one command shows what RL did.

    The ablation trains a dozen policies: nobody should get that for a plain ``kedro run``.
    """
    stages = {
        "ingestion": ingestion.create_pipeline(),
        "audit": audit.create_pipeline(),
        "features": features.create_pipeline(),
        "sft": sft.create_pipeline(),
        "rl": rl.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
    }
    whole = sum(stages.values(), Pipeline([]))
    return {
        **stages,
        "rl": stages["rl"] + stages["evaluation"],
        "ablation": ablation.create_pipeline(),
        "__default__": whole,
    }
