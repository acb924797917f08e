"""Surrogates: recognizers whose gradients an attack uses, each with the identities it is asked about."""

from dataclasses import dataclass

from torch import Tensor

from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.recognizer import Recognizer


@dataclass(frozen=True, eq=False)
class Surrogate:
    recognizer: Recognizer
    gallery: Gallery

    def scores(self, embeddings: Tensor, enrollments: list[Enrollment]) -> Tensor:
        """The gallery's logits (n, 1 + M) in units of strangers' spread, 0 where two faces begin to match at FAR 1e-2.

        So a margin, or how far a face is from its goal, means the same for every recognizer.
        """
        return (self.gallery.logits(embeddings, enrollments) - (self.threshold or 0.0)) / self.recognizer.spread

    @property
    def threshold(self) -> float | None:
        """From this similarity on two faces match at a false-accept rate of 1e-2; None where nobody measured it."""
        return self.recognizer.thresholds.get("1e-2")
