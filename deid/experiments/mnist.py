"""MNIST and three small networks: the K-A³ paper's table of digits (Mygdalis, Tefas, Pitas, 2020)."""

import math

from deid.experiments.tables.data import read_mnist
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.networks import fully_connected, lenet5, robust_convolutional
from deid.experiments.tables.table import Paper, Table
from deid.experiments.tables.training import Recipe
from deid.training.distill import Schedule

RADIUS = 1.58  # L2, for which Wong, Schmidt, Metzen, Kolter (NeurIPS 2018) prove their network
NOTE = f"""\
PR: the paper's is the provably robust network of Wong, Schmidt, Metzen and Kolter (NeurIPS 2018); this one has its
layers and is trained against an L2 adversary of radius {RADIUS} (Madry and others, ICLR 2018), which proves nothing.
"""

MNIST = Table(
    name="mnist",
    read=read_mnist,
    networks={
        "FC1": Recipe(fully_connected, Schedule(3000, adamw_peak=1e-3)),
        "LeNet-5": Recipe(lenet5, Schedule(3000)),
        "PR": Recipe(robust_convolutional, Schedule(3000), radius=RADIUS),
    },
    likeness=("SSIM", ssim),
    paper={
        "FC1": {"5-A³": Paper(63.92, math.nan, 100.0)},
        "LeNet-5": {"5-A³": Paper(72.72, math.nan, 100.0)},
        "PR": {"5-A³": Paper(41.88, math.nan, 95.13)},
    },
    note=NOTE,
)
