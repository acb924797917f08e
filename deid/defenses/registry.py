"""All defenses that can be put before any classifier, by the names that `deid audit --defense` takes."""

from collections.abc import Mapping

from deid.defenses import reduction
from deid.defenses.contract import Defense

REDUCTION = "Echeberria-Barrio and others, 2021"
DEFENSES: Mapping[str, Defense] = {
    "autoencoder": Defense("autoencoder before the network", REDUCTION, reduction.before_network, reduction.PHOTOS),
    "feature-autoencoder": Defense("autoencoder on its features", REDUCTION, reduction.on_features, reduction.PHOTOS),
    "encoder": Defense("encoder and a new head", REDUCTION, reduction.encoder_and_head, reduction.PHOTOS),
    "disagreement": Defense(
        "disagreement with an autoencoder before it",
        REDUCTION,
        reduction.disagreement_with(reduction.before_network),
        reduction.PHOTOS,
    ),
}
