"""All defenses that can be put before any classifier, by the names that `deid audit --defense` takes."""

from collections.abc import Mapping

from deid.defenses import m_svdd
from deid.defenses.contract import Defense

DEFENSES: Mapping[str, Defense] = {
    "m-svdd": Defense("M-SVDD-D", "Mygdalis, Tefas, Pitas, Neural Networks 124, 2020", m_svdd.fit, m_svdd.PHOTOS),
}
