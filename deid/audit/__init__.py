"""What recognizers make of published photos: measured, counted, reported. It is the function `deid.audit`, too."""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """Python binds the name of a package in the one above it: `from deid import audit` can only be this module."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """See `deid.audit.run.audit`."""
        from deid.audit.run import audit

        return audit(*arguments, **options)


sys.modules[__name__].__class__ = _Room
