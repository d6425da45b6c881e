"""Parameters of the audit stage."""

from soundmind_pipeline.params import Params


class AuditParams(Params):
    """How the manifest is audited."""

    tokenizer: str | None = None
    """Folder with a tokenizer.json to count tokens with; null counts words between blanks."""
