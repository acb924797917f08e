"""All defenses that can be put before any classifier, by the names that `deid audit --defense` takes."""

from collections.abc import Mapping

from deid.defenses.contract import Defense

DEFENSES: Mapping[str, Defense] = {}
