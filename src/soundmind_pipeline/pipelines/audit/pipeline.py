"""Wiring of the audit stage."""

from kedro.pipeline import Node, Pipeline

from soundmind_pipeline.pipelines.audit import nodes


def create_pipeline() -> Pipeline:
    """Manifest → audit.json and audit.html; no later stage waits for it."""
    return Pipeline(
        [
            Node(
                nodes.audit_manifest,
                ["manifest", "quarantine", "params:audit"],
                ["audit_results", "audit_page"],
                name="audit_manifest",
            )
        ],
        tags="audit",
    )
