"""The gate in front of the manifest: Great Expectations suites, one for the whole and one for each split.

Two severities: a *critical* expectation that fails stops the pipeline (:func:`require_critical`), a *warning* is
reported.
"""

from soundmind_pipeline.problems.expectations.derived import with_derived_columns
from soundmind_pipeline.problems.expectations.params import ExpectationParams
from soundmind_pipeline.problems.expectations.validate import require_critical, validate_manifest

__all__ = ["ExpectationParams", "require_critical", "validate_manifest", "with_derived_columns"]
