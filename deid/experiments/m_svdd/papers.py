"""What the paper prints of M-SVDD-D (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020), by table and network."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PaperRow:
    """likeness: SSIM, percent; mse: a pixel. outcomes: β → success, F and D, percent."""

    likeness: float
    mse: float
    outcomes: Mapping[float, tuple[float, float, float]]


@dataclass(frozen=True)
class PaperNetwork:
    """accuracies: of W-LC, W̃-LC, W̃-SVDD (O_c), W̃-SVDD (O_d), percent of the test photos.

    betas: the two that it shows attacks at, the one for classification first.
    rows: by the name of a row.
    """

    accuracies: tuple[float, float, float, float]
    betas: tuple[float, float]
    rows: Mapping[str, PaperRow] = field(default_factory=dict)


def _row(
    likeness: float, mse: float, at_1_04: tuple[float, float, float], at_1: tuple[float, float, float]
) -> PaperRow:
    return PaperRow(likeness, mse * 1e-4, {1.04: at_1_04, 1.0: at_1})


PAPER: Mapping[str, Mapping[str, PaperNetwork]] = {
    "yale": {
        "LightCNN-9": PaperNetwork((97.25, 98.16, 96.33, 93.68), (1.04, 1.0), {
            "l-bfgs": _row(93.30, 6.26, (43.44, 19.36, 37.19), (10.96, 8.81, 80.22)),
            "deepfool": _row(97.77, 1.94, (41.49, 47.43, 11.06), (17.36, 37.85, 44.77)),
            "c-w": _row(92.82, 5.59, (29.91, 24.64, 45.44), (6.91, 12.70, 80.37)),
            "1-a3": _row(98.06, 1.63, (41.59, 48.82, 9.57), (18.08, 38.11, 43.80)),
            "5-a3": _row(94.55, 7.74, (42.82, 18.80, 38.37), (11.52, 12.09, 76.38)),
            "9-a3": _row(92.52, 5.98, (29.50, 15.47, 55.02), (6.40, 8.65, 84.93)),
        }),
    },
    "mnist": {
        "FC1": PaperNetwork((98.64, 98.32, 98.14, 95.19), (1.0, 0.85)),
        "LeNet-5": PaperNetwork((99.12, 99.12, 96.62, 95.00), (1.0, 0.97)),
    },
    "cifar10": {"MobileNetV2": PaperNetwork((87.28, 88.14, 87.47, 86.36), (1.0, 0.95))},
    "gtsrb": {"ResNet-18": PaperNetwork((93.19, 94.74, 82.19, 77.25), (1.01, 1.0))},
}  # fmt: skip
