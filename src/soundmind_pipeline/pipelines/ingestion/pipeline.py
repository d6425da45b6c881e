"""Wiring of the ingestion stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.ingestion import nodes

REJECTED = ("rejected_records", "rejected_wordings", "rejected_answers")


def create_pipeline() -> Pipeline:
    """Problems → speech → manifest; the manifest is saved only if it passes its expectations."""
    speaking = ["speech_plan", "speech_work", "params:ingestion"]
    return Pipeline(
        [
            Node(
                nodes.collect_problems,
                ["raw_data", "params:ingestion"],
                ["collected_problems", "rejected_records", "source_clips"],
                name="collect_problems",
            ),
            Node(
                nodes.colloquialize,
                ["collected_problems", "replies", "params:ingestion"],
                ["worded_problems", "rejected_wordings"],
                name="colloquialize",
            ),
            Node(
                nodes.teach,
                ["worded_problems", "replies", "params:ingestion"],
                ["problems", "rejected_answers"],
                name="teach",
            ),
            Node(
                nodes.plan_speech, ["problems", "source_clips", "params:ingestion"], "speech_plan", name="plan_speech"
            ),
            Node(nodes.speak_questions, speaking, "question_speech", name="speak_questions"),
            Node(nodes.speak_answers, speaking, "answer_speech", name="speak_answers"),
            Node(
                nodes.scan_speech,
                ["speech_plan", "question_speech", "answer_speech", "raw_data", "params:ingestion"],
                "clip_facts",
                name="scan_speech",
            ),
            Node(
                nodes.build_manifest,
                ["problems", "speech_plan", "clip_facts", *REJECTED],
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
                [
                    "manifest_candidate",
                    "quarantine",
                    "clip_facts",
                    "expectation_results",
                    "speech_work",
                    "params:ingestion",
                ],
                "manifest",
                name="release_manifest",
            ),
        ],
        tags="ingestion",
    )
