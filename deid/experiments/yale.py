"""Extended Yale B and LightCNN-9: the K-A³ paper's table of faces (Mygdalis, Tefas, Pitas, 2020)."""

from torch import nn

from deid.experiments.tables.data import read_yale
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.networks import FaceClassifier
from deid.experiments.tables.table import Paper, Table
from deid.experiments.tables.training import Recipe
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.lightcnn import LightCNN9
from deid.training.distill import Schedule

PEOPLE = 38


def classifier() -> nn.Module:
    """Our LightCNN-9 with a class for each person."""
    network = load_recognizer("lightcnn9").network
    if not isinstance(network, LightCNN9):
        raise TypeError("lightcnn9 is not of its architecture")
    return FaceClassifier(network, PEOPLE, lower=8)


ALMOST = "at most 1/K «in almost every case»"
YALE = Table(
    name="yale",
    read=read_yale,
    networks={"LightCNN-9": Recipe(classifier, Schedule(800, muon_peak=0.005, adamw_peak=1e-3))},
    likeness=("SSIM", ssim),
    paper={
        "LightCNN-9": {
            "1-A³": Paper(98.05, 1.59e-4, 99.43, "violates for K > 1"),
            "5-A³": Paper(95.17, 7.52e-4, 96.26, ALMOST),
            "9-A³": Paper(93.17, 4.36e-4, 91.34, ALMOST),
            "L-BFGS": Paper(93.89, 5.97e-4, 99.23, "violates: rank 2"),
            "DeepFool": Paper(97.87, 1.71e-4, 100.0, "violates: rank 2"),
            "C&W, 5 × 200 steps": Paper(94.21, 5.16e-4, 99.94, "violates: rank 2"),
        }
    },
    of_people=True,
    bfloat16=True,
)
