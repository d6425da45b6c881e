"""Wiring of the ingestion stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.ingestion import nodes


def create_pipeline() -> Pipeline:
    """Problems → speech → manifest; the manifest is saved only if it passes its expectations."""
    return Pipeline(
        [
            Node(nodes.generate_problems, "params:ingestion", "problems", name="generate_problems"),
            Node(nodes.plan_speech, ["problems", "params:ingestion"], "speech_plan", name="plan_speech"),
            Node(nodes.speak_questions, ["speech_plan", "params:ingestion"], "question_speech", name="speak_questions"),
            Node(
                nodes.build_manifest,
                ["problems", "speech_plan", "question_speech"],
                ["manifest_candidate", "quarantine"],
                name="build_manifest",
            ),
            Node(
                nodes.examine_manifest,
                ["manifest_candidate", "params:ingestion"],
                ["expectation_results", "data_docs"],
                name="examine_manifest",
            ),
            Node(
                nodes.release_manifest,
                ["manifest_candidate", "quarantine", "expectation_results", "params:ingestion"],
                "manifest",
                name="release_manifest",
            ),
        ],
        tags="ingestion",
    )
