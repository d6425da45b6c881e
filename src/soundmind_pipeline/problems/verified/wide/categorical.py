"""Categorical statements: exact entailment by enumerating regions.

n classes cut the world into 2ⁿ regions, and all that matters of a world is which regions are inhabited. A universal
statement forbids regions, an existential one (and existential import) asks that one out of some regions be inhabited,
and nothing relates two individuals. So premises and the contradictory of a claim have a model exactly if each of these
wishes has a region that is not forbidden: one individual a wish suffices.
"""

from collections.abc import Sequence

from soundmind_pipeline.problems.verified.wide.propositional import every_model, truth_column
from soundmind_pipeline.problems.verified.wide.statements import Statement

Individuals = tuple[tuple[int, ...], ...]
"""Individuals, each given by the classes it belongs to."""


def find_countermodel(
    premises: Sequence[Statement], claim: Statement, classes: int, existential_import: bool
) -> Individuals | None:
    """A world in which the premises hold and ``claim`` does not, or None if there is none.

    Args:
        premises: Categorical statements.
        claim: Another.
        classes: Number of classes, hence 2 to that power regions.
        existential_import: Whether every class is taken to have a member.
    """
    allowed, wishes = every_model(classes), []
    for statement in (*premises, claim.opposite):
        subject, predicate = (truth_column(term.atom, classes) for term in statement.terms)
        region = subject & predicate if statement.kind in ("no", "some") else subject & ~predicate
        if statement.kind in ("all", "no"):
            allowed &= ~region
        else:
            wishes.append(region)
    if existential_import:
        wishes += [truth_column(index, classes) for index in range(classes)]
    inhabited = []
    for wish in wishes:
        if not wish & allowed:
            return None
        region_number = (wish & allowed & -(wish & allowed)).bit_length() - 1
        inhabited.append(tuple(index for index in range(classes) if region_number >> index & 1))
    return tuple(dict.fromkeys(inhabited))


def holds(statement: Statement, individuals: Individuals) -> bool:
    """The truth of a categorical statement in a world."""
    subject, predicate = (term.atom for term in statement.terms)
    subjects = [individual for individual in individuals if subject in individual]
    match statement.kind:
        case "all":
            return all(predicate in individual for individual in subjects)
        case "no":
            return not any(predicate in individual for individual in subjects)
        case "some":
            return any(predicate in individual for individual in subjects)
        case "some_not":
            return any(predicate not in individual for individual in subjects)
    raise ValueError(f"{statement.kind} is not categorical")
