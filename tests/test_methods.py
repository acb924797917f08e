import pytest

from deid.attacks import ATTACKS
from deid.errors import UsageError
from deid.faces.obfuscation import OBFUSCATIONS
from deid.methods import (
    ATTACKS_OF,
    DEFAULT_PROFILE,
    METHODS,
    is_obfuscation,
    method_for,
    methods_of,
    profile_for,
)
from deid.protection.options import check_options
from deid.protection.profiles import PROFILES
from deid.types import Options

# Attacks that cannot aim at a place in a list (one step, hyperplanes of labels, single pixels), or only in thousands of
# steps.
AIMLESS = ("fgsm", "deepfool", "carlini-wagner", "jsma", "one-pixel")


def test_the_registry_names_every_attack_and_obfuscation_and_nothing_else() -> None:
    attacks = methods_of("attack") + methods_of("rival")
    assert attacks == ["feature-level", *(name for name in ATTACKS if name not in AIMLESS)]
    assert methods_of("obfuscation") == list(OBFUSCATIONS)
    assert list(METHODS) == attacks + methods_of("obfuscation")


def test_every_attack_can_reach_one_profile_and_every_profile_is_reached_by_some() -> None:
    assert ATTACKS_OF.keys() == PROFILES.keys()
    assert sorted(name for names in ATTACKS_OF.values() for name in names) == sorted(
        methods_of("attack") + methods_of("rival")
    )
    assert next(iter(PROFILES)) == DEFAULT_PROFILE


def test_what_is_no_method_is_no_obfuscation() -> None:
    assert is_obfuscation("blur")
    assert not is_obfuscation("k-a3")
    assert not is_obfuscation("feature-level")
    assert not is_obfuscation("magic")


# What is asked for, None for nothing → what is done.
FILLED_IN = [
    ((None, None), ("feature-level", "stranger")),
    (("k-a3", None), ("k-a3", "paper")),
    (("i-fgvm", None), ("i-fgvm", "paper")),
    (("pgd", None), ("pgd", "paper")),
    (("feature-level", None), ("feature-level", "stranger")),
    ((None, "paper"), ("k-a3", "paper")),
    ((None, "stranger"), ("feature-level", "stranger")),
    (("i-fgvm", "paper"), ("i-fgvm", "paper")),
    (("blur", None), ("blur", "stranger")),
    (("pixelate", "paper"), ("pixelate", "paper")),
]


@pytest.mark.parametrize(("asked", "done"), FILLED_IN)
def test_what_nobody_says_is_filled_in(asked: tuple[str | None, str | None], done: tuple[str, str]) -> None:
    method, profile = asked
    options = Options(method=method, profile=profile)  # type: ignore[arg-type]
    assert (options.method, options.profile) == done
    check_options(options)
    assert options == Options(method=done[0], profile=done[1]), "and then it is as if it had been said"
    assert method_for(profile_for("magic")) == "feature-level", "who misspells it is told so later"


@pytest.mark.parametrize(
    ("method", "profile", "says"),
    [
        (
            "feature-level",
            "paper",
            "feature-level cannot reach what the profile paper asks for: k-a3 and i-fgvm and p-fgvm and",
        ),
        ("pgd", "stranger", "pgd cannot reach what the profile stranger asks for: feature-level can"),
        ("deepfool", None, "no method called deepfool"),
        ("k-a3", "stranger", "k-a3 cannot reach what the profile stranger asks for: feature-level can"),
        ("i-fgvm", "stranger", "i-fgvm cannot reach what the profile stranger asks for: feature-level can"),
        ("magic", None, "no method called magic: there are feature-level, k-a3, i-fgvm, p-fgvm, .*, blur, pixelate"),
        ("magic", "paper", "no method called magic"),
        (None, "robust", "no profile called robust: there are stranger, paper"),
        ("k-a3", "transfer", "no profile called transfer: there are stranger, paper"),
    ],
)
def test_a_method_that_cannot_reach_a_profile_is_a_mistake(method: str, profile: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"^{says}"):
        check_options(Options(method=method, profile=profile))
