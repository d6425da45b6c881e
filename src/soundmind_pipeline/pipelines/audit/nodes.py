"""Nodes of the audit stage; what they find stands in :mod:`soundmind_pipeline.audit`.

Kedro reads the annotations when it lists pipelines, so every name in them is imported here, and heavy modules are
imported inside the functions.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from soundmind_pipeline.pipelines.audit.params import AuditParams


def audit_manifest(manifest: pd.DataFrame, quarantine: pd.DataFrame, params: AuditParams) -> tuple[dict[str, Any], str]:
    """The audit of the manifest, and the same as a self-contained HTML page."""
    from soundmind_pipeline.audit import manifest as audits
    from soundmind_pipeline.audit.page import render_page
    from soundmind_pipeline.audit.tokens import load_counter

    if params.tokenizer is None:
        audit, rows = audits.audit_manifest(manifest, quarantine)
    else:
        folder = Path(params.tokenizer)
        unit = f"tokens of {folder.resolve().name}"
        audit, rows = audits.audit_manifest(manifest, quarantine, load_counter(folder), unit)
    return audit, render_page(audit, rows)
