"""Default words of the wide families; each list is a parameter.

Any combination must make sense and none be more plausible than another: neutral qualities, occupations that do not
exclude one another by meaning, and verbs that can hold of anybody. Classes form their plural with -s, verbs their forms
with -s, -ed or -d, and -ing.
"""

from typing import Final

NAMES: Final = (
    *("alice", "brian", "carla", "daniel", "emma", "felix", "grace", "henry", "irene", "jonas"),
    *("karen", "lucas", "maria", "nathan", "olivia", "paula", "robert", "simon", "teresa", "walter"),
)
ADJECTIVES: Final = (
    *("calm", "careful", "cheerful", "clever", "curious", "elegant", "friendly", "generous", "gentle", "honest"),
    *("kind", "loyal", "modest", "musical", "patient", "polite", "punctual", "quiet", "sporty", "tall"),
    *("thoughtful", "tidy", "wealthy", "witty"),
)
CLASSES: Final = (
    *("actor", "artist", "baker", "climber", "collector", "dancer", "diver", "drummer", "editor", "farmer"),
    *("gardener", "hiker", "inventor", "juggler", "knitter", "lawyer", "magician", "musician", "nurse", "painter"),
    *("pilot", "poet", "reader", "runner", "sailor", "singer", "skater", "swimmer", "teacher", "writer"),
)
VERBS: Final = (
    *("admire", "advise", "call", "defend", "follow", "greet", "help", "invite", "like", "mention"),
    *("phone", "praise", "protect", "respect", "support", "thank", "trust", "visit"),
)
PLACES: Final = ("choir", "club", "family", "office", "orchestra", "school", "team", "village")
