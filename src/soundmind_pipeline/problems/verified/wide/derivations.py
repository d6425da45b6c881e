"""Derivations: short natural deductions of a claim, found by propagation and checked line by line.

Lines are numbered: the premises from 0 in the order told, then the steps. A step says one literal (in the relational
theory: one statement) and cites the lines it comes from. In the categorical theory the literals are about one
individual x.

=============== ======================================================================================================
rule            what it does
=============== ======================================================================================================
``suppose``     opens the proof of a conditional or a universal claim by supposing its first term
``witness``     names the x that an existential premise asserts; cites the premise
``import``      names an x in one class; sound only with existential import
``ponens``      from "if p then q" (or "all p are q") and p: q
``tollens``     from the same and not q: not p
``exclusion``   from "no p are q" and one of them: not the other; from "exactly one of p, q" and one: not the other
``equivalence`` from "p if and only if q" and one side: the other with the same sign
``elimination`` from a disjunction and the denials of all its other terms: the remaining term
``cases``       from a disjunction and a conditional for each of its terms, all to the same consequent: that
``monotone``    from a scope of R and "R within S": the same scope of S
``weaken``      from ∃y∀x: ∀x∃y, and from ∃x∀y: ∀y∃x
=============== ======================================================================================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide import propositional
from soundmind_pipeline.problems.verified.wide.relational import WEAKER
from soundmind_pipeline.problems.verified.wide.statements import CATEGORICAL, SCOPES, Statement

OPENINGS: Final = ("suppose", "witness", "import")
_BY_TRUTH_TABLE: Final = ("ponens", "tollens", "exclusion", "equivalence", "elimination", "cases")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation.

    Attributes:
        says: The line: a ``fact``, or in the relational theory a scope.
        rule: A rule of the table above.
        cites: Numbers of the lines it comes from.
    """

    says: Statement
    rule: str
    cites: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The step in plain types."""
        return {"says": self.says.to_json(), "by": self.rule, "from": list(self.cites)}

    @classmethod
    def from_json(cls, value: Any) -> "Step":
        """Read what :meth:`to_json` gave; a ValueError, TypeError or KeyError if it is something else."""
        return cls(Statement.from_json(value["says"]), str(value["by"]), tuple(int(line) for line in value["from"]))


def derive(premises: Sequence[Statement], claim: Statement, existential_import: bool) -> tuple[Step, ...] | None:
    """A derivation of ``claim`` without idle steps, or None if propagation finds none."""
    if claim.kind in SCOPES:
        return _derive_scope(premises, claim)
    for opening in _openings(premises, claim, existential_import):
        known = {premise.terms[0]: line for line, premise in enumerate(premises) if premise.kind == "fact"}
        steps = list(opening)
        known |= {step.says.terms[0]: len(premises) + place for place, step in enumerate(steps)}
        _propagate(premises, known, steps)
        wanted = goals(claim)
        if not all(goal in known for goal in wanted):
            _by_cases(premises, known, steps)
        if all(goal in known for goal in wanted):
            return _without_idle_steps(len(premises), steps, [known[goal] for goal in wanted])
    return None


def goals(claim: Statement) -> tuple[Literal, ...]:
    """The literals to reach, once the proof of a propositional or categorical claim is opened."""
    first, *rest = claim.terms
    match claim.kind:
        case "if" | "all":
            return (rest[0],)
        case "no":
            return (rest[0].opposite,)
        case "some":
            return (first, rest[0])
        case "some_not":
            return (first, rest[0].opposite)
    return (first,)


def _openings(premises: Sequence[Statement], claim: Statement, existential_import: bool) -> Iterator[tuple[Step, ...]]:
    """The ways in which a proof of ``claim`` may begin."""
    if claim.kind in ("if", "all", "no"):
        yield (Step(Statement("fact", claim.terms[:1]), "suppose", ()),)
    elif claim.kind in ("some", "some_not"):
        for line, premise in enumerate(premises):
            if premise.kind in ("some", "some_not"):
                yield tuple(Step(Statement("fact", (term,)), "witness", (line,)) for term in goals(premise))
        if existential_import:
            for atom in sorted(frozenset().union(*(premise.atoms for premise in premises))):
                yield (Step(Statement("fact", (Literal(atom, True),)), "import", ()),)
    else:
        yield ()


def _propagate(premises: Sequence[Statement], known: dict[Literal, int], steps: list[Step]) -> None:
    """Add every literal that a clause of a premise leaves as the only one possible, in rounds, shortest first."""
    count = -1
    while count != len(steps):
        count = len(steps)
        for line, premise in enumerate(premises):
            for clause in propositional.clauses(premise) if premise.kind != "fact" else ():
                rest = [literal for literal in clause if literal.opposite not in known]
                if len(rest) == 1 and rest[0] not in known:
                    facts = [literal.opposite for literal in clause if literal != rest[0]]
                    cites = (line, *(known[literal] for literal in facts))
                    steps.append(Step(Statement("fact", (rest[0],)), _rule(premise, facts), cites))
                    known[rest[0]] = len(premises) + len(steps) - 1


def _rule(premise: Statement, facts: Sequence[Literal]) -> str:
    """The name of the inference from ``premise`` and ``facts``."""
    match premise.kind:
        case "if" | "all":
            return "ponens" if facts[0] == premise.terms[0] else "tollens"
        case "iff":
            return "equivalence"
        case "xor":
            return "exclusion" if facts[0] in premise.terms else "elimination"
        case "or":
            return "elimination"
    return "exclusion"


def _by_cases(premises: Sequence[Statement], known: dict[Literal, int], steps: list[Step]) -> None:
    """Add what every term of a disjunction implies by a conditional of its own."""
    conditionals = {premise.terms: line for line, premise in enumerate(premises) if premise.kind == "if"}
    for line, premise in enumerate(premises):
        if premise.kind == "or":
            consequents = [{then for given, then in conditionals if given == term} for term in premise.terms]
            for then in set.intersection(*consequents) - known.keys():
                cites = (line, *(conditionals[term, then] for term in premise.terms))
                steps.append(Step(Statement("fact", (then,)), "cases", cites))
                known[then] = len(premises) + len(steps) - 1


def _without_idle_steps(premises: int, steps: Sequence[Step], wanted: Sequence[int]) -> tuple[Step, ...]:
    """Only the steps that lines ``wanted`` rest on (openings stay), renumbered."""
    needed = {premises + place for place, step in enumerate(steps) if step.rule in OPENINGS}
    stack = list(wanted)
    while stack:
        line = stack.pop()
        if line >= premises:
            needed.add(line)
            stack.extend(steps[line - premises].cites)
    renumbered = {line: premises + place for place, line in enumerate(sorted(needed))}
    kept = [steps[line - premises] for line in sorted(needed)]
    return tuple(Step(step.says, step.rule, tuple(renumbered.get(line, line) for line in step.cites)) for step in kept)


def _derive_scope(premises: Sequence[Statement], claim: Statement) -> tuple[Step, ...] | None:
    """Carry each premise's scope along the inclusions, then weaken it."""
    for start, premise in enumerate(premises):
        if premise.kind not in SCOPES:
            continue
        relation, line, steps = premise.terms[0], start, []
        unused = {number: p for number, p in enumerate(premises) if p.kind == "within"}
        while (place := next((place for place, p in unused.items() if p.terms[0] == relation), None)) is not None:
            relation = unused.pop(place).terms[1]
            steps.append(Step(Statement(premise.kind, (relation,)), "monotone", (line, place)))
            line = len(premises) + len(steps) - 1
        if claim.kind == WEAKER.get(premise.kind):
            steps.append(Step(Statement(claim.kind, (relation,)), "weaken", (line,)))
        if steps and steps[-1].says == claim:
            return tuple(steps)
    return None


def is_derivation(
    premises: Sequence[Statement], claim: Statement, steps: Sequence[Step], existential_import: bool
) -> bool:
    """Whether ``steps`` prove ``claim``: each line is re-checked by the truth tables of the lines it cites."""
    lines = [*premises]
    for step in steps:
        if not all(0 <= cited < len(lines) for cited in step.cites):
            return False
        cited = [lines[line] for line in step.cites]
        if step.rule in OPENINGS:
            in_place = all(before.rule in OPENINGS for before in steps[: len(lines) - len(premises)])
            sound = in_place and _opens(step, cited, claim, existential_import)
        elif claim.kind in SCOPES:
            sound = _scope_follows(step, cited)
        else:
            sound = step.rule in _BY_TRUTH_TABLE and step.says.kind == "fact" and _follows(step.says, cited)
        if not sound:
            return False
        lines.append(step.says)
    openings = [step for step in steps if step.rule in OPENINGS]
    same_individual = len({(step.rule, step.cites) for step in openings}) <= 1
    one_import = sum(step.rule == "import" for step in openings) <= 1
    if claim.kind in SCOPES:
        return same_individual and one_import and not openings and claim in lines
    return same_individual and one_import and all(Statement("fact", (goal,)) in lines for goal in goals(claim))


def _opens(step: Step, cited: Sequence[Statement], claim: Statement, existential_import: bool) -> bool:
    """Whether a proof of ``claim`` may begin by saying ``step``."""
    [literal] = step.says.terms
    match step.rule:
        case "suppose":
            return claim.kind in ("if", "all", "no") and not cited and literal == claim.terms[0]
        case "witness":
            existential = [premise for premise in cited if premise.kind in ("some", "some_not")]
            return claim.kind in ("some", "some_not") and len(existential) == 1 and literal in goals(existential[0])
    return claim.kind in ("some", "some_not") and existential_import and literal.positive and not cited


def _follows(says: Statement, cited: Sequence[Statement]) -> bool:
    """Whether the cited lines, universal ones taken about x, leave no case in which ``says`` is false."""
    clauses = [clause for statement in cited for clause in propositional.clauses(statement)]
    atoms = sorted({literal.atom for clause in (*clauses, says.terms) for literal in clause})
    place = {atom: index for index, atom in enumerate(atoms)}

    def disjunction(literals: Sequence[Literal]) -> Statement:
        return Statement("or", tuple(Literal(place[term.atom], term.positive) for term in literals))

    existential = any(statement.kind in CATEGORICAL[2:] for statement in cited)
    found = propositional.find_countermodel(list(map(disjunction, clauses)), disjunction(says.terms), len(atoms))
    return found is None and not existential


def _scope_follows(step: Step, cited: Sequence[Statement]) -> bool:
    """Whether a relational step is an instance of its rule."""
    match step.rule, [statement.kind for statement in cited]:
        case "monotone", [scope, "within"] if scope in SCOPES:
            source, target = cited[1].terms
            return cited[0].terms == (source,) and step.says == Statement(scope, (target,)) and source.positive
        case "weaken", [scope]:
            return step.says == Statement(WEAKER.get(scope, ""), cited[0].terms) and cited[0].terms[0].positive
    return False
