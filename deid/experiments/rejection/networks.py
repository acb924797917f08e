"""The networks that reject, and the layers that their machines look at."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.contract import Classifier
from deid.experiments.tables.networks import FaceClassifier

POOLED = 4  # cells a side that LightCNN-9's maps are brought to: machines of 32,768 features would take hours


class FourConvolutions(nn.Module):
    """The network of Thanthulage's study. Gray, 28 × 28."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.first = nn.Sequential(nn.Linear(64 * 7 * 7, 200), nn.ReLU())
        self.second = nn.Sequential(nn.Dropout(0.5), nn.Linear(200, 200), nn.ReLU())
        self.head = nn.Linear(200, classes)

    def layers(self, photos: Tensor) -> tuple[Tensor, ...]:
        """3136, 200 and 200 features."""
        maps = self.maps(photos)
        first = self.first(maps)
        return maps, first, self.second(first)

    def forward(self, photos: Tensor) -> Tensor:
        return self.head(self.layers(photos)[-1])


def digit_classifier(network: nn.Module) -> Classifier:
    """Of a FourConvolutions."""
    if not isinstance(network, FourConvolutions):
        raise TypeError("not the network of the study")
    return Classifier(
        lambda photos: network(_channels_last(photos)), lambda photos: network.layers(_channels_last(photos))
    )


def face_classifier(network: nn.Module) -> Classifier:
    """Of LightCNN-9 fine-tuned: the maps of its last two convolutional groups, pooled, and the embedding."""
    if not isinstance(network, FaceClassifier):
        raise TypeError("not a LightCNN-9 with classes")
    convolutions, flatten, embed, _ = network.upper.children()

    def layers(photos: Tensor) -> tuple[Tensor, ...]:
        inner = network.lower(_channels_last(photos))
        maps = convolutions(inner)
        pooled = [F.adaptive_avg_pool2d(layer, POOLED).flatten(1) for layer in (inner, maps)]
        return *pooled, embed(flatten(maps.contiguous()))

    return Classifier(lambda photos: network(_channels_last(photos)), layers)


def _channels_last(photos: Tensor) -> Tensor:
    # A CPU convolves such a batch about twice as fast.
    return photos.contiguous(memory_format=torch.channels_last)
