"""How the pages of the evaluation are made from their templates."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment() -> Environment:
    """Templates of this package: text is escaped, and a name that is not given is an error."""
    return Environment(
        loader=PackageLoader("soundmind_pipeline.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
