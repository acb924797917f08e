"""CIFAR-10 and MobileNetV2: the K-A³ paper's table of objects (Mygdalis, Tefas, Pitas, 2020)."""

import math

from deid.experiments.tables.augment import shifted_or_mirrored
from deid.experiments.tables.data import read_zipped
from deid.experiments.tables.figures import THREE_SCALES_NOTE, ms_ssim
from deid.experiments.tables.networks import mobilenet_v2
from deid.experiments.tables.table import Paper, Table
from deid.experiments.tables.training import Recipe
from deid.training.distill import Schedule

CIFAR10 = Table(
    name="cifar10",
    read=read_zipped,
    networks={"MobileNetV2": Recipe(mobilenet_v2, Schedule(9000), shifted_or_mirrored, bfloat16=False)},
    likeness=("MS-SSIM", ms_ssim),
    paper={
        "MobileNetV2": {
            "1-A³": Paper(99.99, 1.65e-5, math.nan),
            "5-A³": Paper(99.99, 4.96e-5, math.nan),
            "9-A³": Paper(99.98, 8.08e-5, math.nan),
            "L-BFGS": Paper(99.84, 5.35e-5, math.nan),
            "DeepFool": Paper(99.99, 2.04e-5, math.nan),
            "C&W, 5 × 200 steps": Paper(99.99, 3.65e-5, math.nan),
        }
    },
    note=THREE_SCALES_NOTE,
)
