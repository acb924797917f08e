from deid.attacks import ATTACKS
from deid.faces.obfuscation import OBFUSCATIONS
from deid.methods import FEATURE_LEVEL, METHODS, is_obfuscation, methods_of


def test_the_registry_names_every_attack_and_obfuscation_and_nothing_else() -> None:
    assert methods_of("attack") == list(ATTACKS)
    assert methods_of("obfuscation") == list(OBFUSCATIONS)
    assert FEATURE_LEVEL not in METHODS, "a profile's, not to be asked for"


def test_what_is_no_method_is_no_obfuscation() -> None:
    assert is_obfuscation("blur")
    assert not is_obfuscation("k-a3")
    assert not is_obfuscation("magic")
