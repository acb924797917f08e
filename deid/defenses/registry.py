"""All defenses that can be put before any classifier, by the names that `deid audit --defense` takes."""

from collections.abc import Mapping

from deid.defenses import deep_neural_rejection as dnr
from deid.defenses import filters, m_svdd, reduction
from deid.defenses import neural_rejection as nr
from deid.defenses.contract import Defense

SQUEEZING = "Xu, Evans, Qi, NDSS 2018"
REDUCTION = "Echeberria-Barrio and others, 2021"

DEFENSES: Mapping[str, Defense] = {
    "jpeg": Defense("JPEG 50", "Dziugaite, Ghahramani, Roy, 2016", filters.behind(filters.jpeg)),
    "median": Defense("median of 3 × 3", SQUEEZING, filters.behind(filters.median)),
    "bit-depth": Defense("4 bits", SQUEEZING, filters.behind(filters.bit_depth)),
    "gaussian": Defense("Gaussian, sigma 1", SQUEEZING, filters.behind(filters.gaussian)),
    "total-variation": Defense(
        "total variation", "Guo, Rana, Cissé, van der Maaten, ICLR 2018", filters.behind(filters.total_variation)
    ),
    "autoencoder": Defense("autoencoder before the network", REDUCTION, reduction.before_network, reduction.PHOTOS),
    "feature-autoencoder": Defense("autoencoder on its features", REDUCTION, reduction.on_features, reduction.PHOTOS),
    "encoder": Defense("encoder and a new head", REDUCTION, reduction.encoder_and_head, reduction.PHOTOS),
    "disagreement": Defense(
        "disagreement with an autoencoder before it",
        REDUCTION,
        reduction.disagreement_with(reduction.before_network),
        reduction.PHOTOS,
    ),
    "m-svdd": Defense("M-SVDD-D", "Mygdalis, Tefas, Pitas, Neural Networks 124, 2020", m_svdd.fit, m_svdd.PHOTOS),
    "nr": Defense("neural rejection", "Melis and others, ICCV workshops 2017", nr.neural_rejection, nr.PHOTOS),
    "dnr": Defense(
        "deep neural rejection", "Sotgiu and others, EURASIP J. Inf. Sec. 2020", dnr.deep_neural_rejection, dnr.PHOTOS
    ),
}
