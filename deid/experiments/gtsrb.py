"""German traffic signs and ResNet-18: the K-A³ paper's table of signs (Mygdalis, Tefas, Pitas, 2020)."""

from functools import partial

from deid.experiments.tables.augment import shifted_and_lit
from deid.experiments.tables.data import read_zipped
from deid.experiments.tables.figures import THREE_SCALES_NOTE, ms_ssim
from deid.experiments.tables.networks import resnet18
from deid.experiments.tables.table import Paper, Table
from deid.experiments.tables.training import Recipe
from deid.training.distill import Schedule

SIGNS = 43

GTSRB = Table(
    name="gtsrb",
    read=read_zipped,
    networks={"ResNet-18": Recipe(partial(resnet18, SIGNS), Schedule(700), augment=shifted_and_lit)},
    likeness=("MS-SSIM", ms_ssim),
    paper={
        "ResNet-18": {
            "1-A³": Paper(99.91, 0.79e-5, 99.72),
            "5-A³": Paper(99.65, 3.87e-5, 98.13),
            "9-A³": Paper(99.48, 6.04e-5, 98.31),
            "L-BFGS": Paper(99.59, 4.90e-5, 99.72),
            "DeepFool": Paper(99.73, 0.20e-5, 98.97),
            "C&W, 5 × 200 steps": Paper(98.64, 8.74e-5, 59.63),
        }
    },
    note=THREE_SCALES_NOTE,
)
