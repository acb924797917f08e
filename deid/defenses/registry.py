"""All defenses that can be put before any classifier, by the names that `deid audit --defense` takes."""

from collections.abc import Mapping

from deid.defenses import deep_neural_rejection as dnr
from deid.defenses import neural_rejection as nr
from deid.defenses.contract import Defense

DEFENSES: Mapping[str, Defense] = {
    "nr": Defense("neural rejection", "Melis and others, ICCV workshops 2017", nr.neural_rejection, nr.PHOTOS),
    "dnr": Defense(
        "deep neural rejection", "Sotgiu and others, EURASIP J. Inf. Sec. 2020", dnr.deep_neural_rejection, dnr.PHOTOS
    ),
}
