"""The JSON Schema of report.json, as it ships."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, for the whole document and for its shared part alike."""
    loaded: dict[str, Any] = json.loads(
        files("deid.audit.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    )
    return loaded
