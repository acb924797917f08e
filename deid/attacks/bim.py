"""BIM: Basic Iterative Method (Kurakin, Goodfellow, Bengio, ICLR workshop 2017).

x̃ ← clip_{x,ε}(x̃ − α sign ∇ₓ L): FGSM's step, many times and short, within ε of the clean face.
"""

from torch import Tensor

from deid.attacks.contract import Attack
from deid.attacks.loop import Iterate, gradient_attack


def bim(*, radius: float = 8 / 255, share: float = 1 / 8) -> Attack:
    """L∞. The paper's step is a gray level.

    radius: ε, of every pixel's change in [0, 1]; a limit, where one is given, takes its place.
    share: α, in units of ε.
    """

    def rule(at: Iterate) -> Tensor:
        return sign_step(at, radius, share)

    return gradient_attack(lambda faces, start, visibility: rule)


def sign_step(at: Iterate, radius: float, share: float) -> Tensor:
    """The next perturbations (n, C, H, W), down the signs of the gradient, none larger than ε."""
    largest = largest_of(at, radius)
    noise = at.faces - at.clean - share * largest * at.gradient.sign()
    return noise.clamp(-largest, largest)


def largest_of(at: Iterate, radius: float) -> Tensor:
    """ε of every pixel, (n, 1, H, W)."""
    return at.clean.new_full((1, 1, 1, 1), radius) if at.largest is None else at.largest
