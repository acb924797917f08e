"""All attacks of one contract, by name, with their papers' settings, and what each is to make small on a classifier.

`methods.METHODS` says which of them `--method` takes. Beside them: `feature_level`, which is a profile's (see
`protection.profiles`), and `universal.fit`, which is of another type.
"""

from collections.abc import Callable

from deid.attacks.bim import bim
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import cross_entropy, logit_difference
from deid.attacks.contract import Attack, Objective
from deid.attacks.deepfool import deepfool, rivals
from deid.attacks.fgsm import fgsm
from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.jsma import jsma, saliency
from deid.attacks.k_a3 import k_a3
from deid.attacks.l_bfgs import l_bfgs
from deid.attacks.one_pixel import one_pixel
from deid.attacks.p_fgvm import p_fgvm
from deid.attacks.pgd import pgd_l2, pgd_linf

ATTACKS: dict[str, Attack] = {
    "k-a3": k_a3,
    "i-fgvm": i_fgvm,
    "p-fgvm": p_fgvm,
    "fgsm": fgsm(),
    "bim": bim(),
    "pgd": pgd_linf(),
    "pgd-l2": pgd_l2(),
    "l-bfgs": l_bfgs(),
    "deepfool": deepfool,
    "carlini-wagner": carlini_wagner(),
    "jsma": jsma(),
    "one-pixel": one_pixel(),
}
# What each makes small where faces are to be classified otherwise: called with the targets (N,), or without. DeepFool
# knows none, JSMA needs them.
OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "k-a3": logit_difference,
    "i-fgvm": logit_difference,
    "p-fgvm": logit_difference,
    "fgsm": cross_entropy,
    "bim": cross_entropy,
    "pgd": cross_entropy,
    "pgd-l2": cross_entropy,
    "l-bfgs": cross_entropy,
    "deepfool": rivals,
    "carlini-wagner": logit_difference,
    "jsma": saliency,
    "one-pixel": cross_entropy,
}
