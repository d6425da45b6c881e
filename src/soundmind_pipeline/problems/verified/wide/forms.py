"""The argument forms of the wide families: which are valid, what difficulty they add, how large they may be.

The *natural* claim is the one a hasty reader draws; it is entailed exactly by the valid forms. Each valid form stands
beside fallacies with the same connectives, signs, size and hardness, so that a reader of surface marks is at a loss,
and the difficulty of a problem tells nothing about its label.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Form:
    """One way in which premises bear on the natural claim.

    Attributes:
        valid: Whether they entail it.
        sizes: The smallest and the largest size; what is counted depends on the family.
        hardness: What the form adds to the difficulty.
        weight: Relative share among the family's forms of the same validity.
        slip: What a hasty reader says to draw the natural claim; empty for valid forms.
    """

    valid: bool
    sizes: tuple[int, int]
    hardness: int
    weight: float
    slip: str = ""


_ONE: Final = (1, 1)
_LINKS: Final = (2, 4)
_TERMS: Final = (2, 4)

FORMS: Final[dict[str, dict[str, Form]]] = {
    "conditional": {
        "MP": Form(True, _ONE, 0, 1),
        "MT": Form(True, _ONE, 1, 1),
        "AC": Form(False, _ONE, 0, 1, "the second part of the conditional holds, so the first must hold"),
        "DA": Form(False, _ONE, 1, 1, "the first part of the conditional fails, so the second must fail"),
    },
    "biconditional": {
        "BC": Form(True, _ONE, 0, 1),
        "BI": Form(False, _ONE, 0, 1, "one side of the equivalence is settled, and so is the other"),
    },
    "chain": {
        "CF": Form(True, _LINKS, 0, 1),
        "CB": Form(True, _LINKS, 1, 1),
        "HS": Form(True, _LINKS, 1, 1),
        "CC": Form(False, _LINKS, 0, 0.5, "the end of the chain holds, so its beginning must hold"),
        "BL": Form(False, _LINKS, 0, 0.5, "every link leads on to the next, from one end of the chain to the other"),
        "CI": Form(False, _LINKS, 1, 1, "the beginning of the chain fails, so its end must fail"),
        "HC": Form(False, _LINKS, 1, 1, "the chain ties both ends together, so it can be read from its end"),
    },
    "disjunction": {
        "DS": Form(True, _TERMS, 0, 1),
        "XO": Form(True, (2, 2), 0, 1),
        "AD": Form(False, _TERMS, 0, 0.5, "only one of the alternatives can be true"),
        "PD": Form(False, _TERMS, 0, 0.5, "the other alternatives are out"),
        "NX": Form(False, (2, 2), 0, 1, "one of the two alternatives is settled, and so is the other"),
    },
    "dilemma": {
        "CD": Form(True, (2, 3), 1, 1),
        "ID": Form(False, (2, 3), 1, 1, "each of the alternatives leads to the same place"),
    },
    "syllogism": {
        "VS": Form(True, _ONE, 1, 1),
        "UM": Form(False, _ONE, 1, 1, "both groups have to do with the same third group"),
        "IA": Form(False, _ONE, 1, 1, "what is said of the third group holds of everything named with it"),
        "II": Form(False, _ONE, 1, 1, "what is said of the third group holds of the whole other group"),
        "EP": Form(False, _ONE, 1, 1, "both groups are set apart from the third, which settles the matter"),
        "AN": Form(False, _ONE, 1, 1, "the groups are tied by the third, whatever is denied of it"),
        "NA": Form(False, _ONE, 1, 1, "the third group tells the two apart"),
        "EF": Form(False, _ONE, 1, 1, "what is true of all of a group is true of some of it"),
    },
    "scope": {
        "SK": Form(True, (1, 2), 0, 4),
        "SW": Form(True, (1, 2), 1, 1),
        "SC": Form(False, (1, 2), 0, 4, "the two relations go together, so what holds of one holds of the other"),
        "SS": Form(False, (1, 2), 1, 1, "for each there is one, so there is one for all"),
    },
}
"""Family to form to what it is.

``conditional`` if p then q. ``biconditional`` p if and only if q; BI: the fact is about something else.
``chain`` k conditionals: forward (CF) and backward (CB) from end to end, hypothetical syllogism (HS); converse (CC),
inverse (CI), the conditional the other way round (HC), one link turned round (BL); size k.
``disjunction`` of k terms: all others denied (DS), exclusive with one settled (XO); a term affirmed (AD), one denial
about something else (PD), exclusive with the fact about something else (NX); size k.
``dilemma`` p or q, each leading to r (CD); one leads elsewhere or is turned round (ID); size: number of alternatives.
``syllogism`` valid moods (VS) and the rules that the others break: undistributed middle (UM), illicit major (IA) and
minor (II), exclusive premises (EP), affirmative from negative (AN), negative from affirmatives (NA), existential (EF).
Their weights are the numbers of moods, from :mod:`.syllogisms`.
``scope`` the same scope (SK), a weaker one (SW), the quantifiers shifted (SS), the inclusion turned round (SC);
size: number of inclusions.
"""

WIDE_FAMILIES: Final = tuple(FORMS)
