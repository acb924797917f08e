"""The differentiable chain of one batch of faces: from the aligned frame into the photo, and forth to the recognizer.

A perturbation of luma lives in the aligned frame. It is laid on the photo's own pixels inside a feathered mask, each
color in its share so that hues stay, clipped and rounded to 8 bits, and aligned again for the recognizer: what the
recognizer sees is what the saved file will show, for a face of 40 pixels as for one of 2,000.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import compose, inverse, patch_around, sampling_grid, to_luma, transform_to, warp
from deid.faces.paste import deposit, tint
from deid.faces.rehearsal import rehearse
from deid.faces.templates import Template
from deid.images.handlings import AS_PUBLISHED


@dataclass(frozen=True)
class View:
    """One way a face is looked at: after a handling, aligned by `landmarks` (5, 2).

    own: whether this program finds it there; else another may.
    residual: what the file showed, beyond what was expected of codec and handling, in the patch (C, h, w).
    """

    landmarks: np.ndarray
    residual: Tensor | None = None
    handling: str = AS_PUBLISHED
    own: bool = True


@dataclass(frozen=True)
class PlacedView:
    """A view in the batch. grids: one (S, S, 2) for each template, from the padded patch; residual: padded, too."""

    grids: tuple[Tensor, ...]
    residual: Tensor | None
    handling: str
    own: bool


class FaceChain:
    """The chain for N faces: perturbations of luma (n, 1, S, S) in the frame of a template → what recognizers see.

    The first template is the perturbation's; the others are those of further recognizers that look at the same faces.
    """

    def __init__(
        self,
        photos: Sequence[np.ndarray],
        landmarks: Sequence[np.ndarray],
        template: Template,
        device: torch.device,
        *,
        others: Sequence[Template] = (),
    ) -> None:
        """photos: uint8 (H, W, 3) or (H, W), all gray or none, the photo of each face.
        landmarks: (5, 2) of each face.
        template: of the perturbation, and of the first recognizer.
        device: where the chain runs.
        others: templates of further recognizers.
        """
        self.template, self.device = template, device
        self.templates = (template, *others)
        self._landmarks = list(landmarks)
        self.transforms = [transform_to(template, points) for points in landmarks]
        self.patches = [
            patch_around(photo, transform, template.size)
            for photo, transform in zip(photos, self.transforms, strict=True)
        ]
        height = max(patch.pixels.shape[1] for patch in self.patches)
        width = max(patch.pixels.shape[2] for patch in self.patches)
        self.size = (height, width)
        self.pixels = torch.stack([self._padded(patch.pixels.expand(3, -1, -1)) for patch in self.patches]).to(device)
        self.tints = tint(self.pixels, to_luma(self.pixels))
        laid = [deposit(compose(t, inverse(p.from_photo)), (p.pixels.shape[1], p.pixels.shape[2]), template.size)
                for t, p in zip(self.transforms, self.patches, strict=True)]  # fmt: skip
        # Beyond a patch, which may end at the photo's edge, its last pixels go on, and with them what is laid there.
        self.grids = torch.stack([self._padded(grid.movedim(2, 0)).movedim(0, 2) for grid, _ in laid]).to(device)
        self.masks = torch.stack([self._padded(mask) for _, mask in laid]).to(device)
        self.views: list[list[PlacedView]] = [[] for _ in self.patches]
        for row, points in enumerate(landmarks):
            self.add_view(row, View(points))

    def __len__(self) -> int:
        return len(self.patches)

    def with_first_views(self) -> "FaceChain":
        """The same faces, each with its original view alone; views added there are not added here."""
        chain = copy.copy(self)
        chain.views = [views[:1] for views in self.views]
        return chain

    def add_view(self, row: int, view: View, keep: int = 4) -> None:
        """One more view on which face `row` must hold; of all, the original and the last `keep` - 1 are kept."""
        views = [*self.views[row], self.place(row, view)]
        self.views[row] = views if len(views) <= keep else [views[0], *views[len(views) - keep + 1 :]]

    def place(self, row: int, view: View) -> PlacedView:
        """A view of face `row`, ready to be looked at (`faces_of_all`)."""
        to_photo = inverse(self.patches[row].from_photo)
        grids = []
        for template in self.templates:
            transform = compose(transform_to(template, view.landmarks), to_photo)
            grids.append(sampling_grid(transform[None], (template.size,) * 2, self.size)[0].to(self.device))
        residual = None if view.residual is None else self._padded(view.residual.expand(3, -1, -1)).to(self.device)
        return PlacedView(tuple(grids), residual, view.handling, view.own)

    def _padded(self, pixels: Tensor) -> Tensor:
        """(C, h, w) to the batch's size; the last row and column go on, as alignment would have them."""
        pad = (0, self.size[1] - pixels.shape[2], 0, self.size[0] - pixels.shape[1])
        return F.pad(pixels[None], pad, mode="replicate")[0]

    def perturbed(self, noise: Tensor, rows: Tensor) -> Tensor:
        """The patches (n, 3, H, W) of faces `rows` with their perturbations, clipped and rounded to 8 bits.

        The rounding is not seen by the gradient.
        """
        laid = warp(noise, self.grids[rows], padding="zeros") * self.masks[rows] * self.tints[rows]
        patches = (self.pixels[rows] + laid).clamp(0, 1)
        return patches + ((patches * 255).round() / 255 - patches).detach()

    def faces(self, noise: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Every view of faces `rows` (n,): aligned faces (v, C, S, S), and which of the n each of them shows (v,)."""
        (faces, *_), owner = self.faces_of_all(noise, rows)
        return faces, owner

    def faces_of_all(
        self, noise: Tensor, rows: Tensor, views: Sequence[Sequence[PlacedView]] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """As `faces`, for every template. views: for each of the rows, others than the chain's own."""
        patches = self.perturbed(noise, rows)
        seen, placed, owner = [], [], []
        for at, row in enumerate(rows.tolist()):
            views_of_row = self.views[row] if views is None else views[at]
            handled = {view.handling: self.handled(view.handling, patches[at], row) for view in views_of_row}
            for view in views_of_row:
                patch = handled[view.handling]
                seen.append(patch if view.residual is None else (patch + view.residual).clamp(0, 1))
                placed.append(view)
                owner.append(at)
        stacked = torch.stack(seen)
        faces = []
        for index, template in enumerate(self.templates):
            channels = to_luma(stacked) if template.channels == 1 else stacked
            faces.append(warp(channels, torch.stack([view.grids[index] for view in placed])))
        return faces, torch.tensor(owner, device=self.device)

    def handled(self, handling: str, pixels: Tensor, row: int) -> Tensor:
        """What is expected of a padded version (3, H, W) of face `row`'s patch after a handling."""
        return pixels if handling == AS_PUBLISHED else rehearse(handling, pixels, self.patches[row])

    def aligned(self, row: int, pixels: Tensor) -> Tensor:
        """Luma of another version (C, h, w) of face `row`'s patch, aligned as the clean one is: (1, S, S)."""
        patch = self._padded(pixels.expand(3, -1, -1)).to(self.device)[None]
        return warp(to_luma(patch), self.views[row][0].grids[0][None])[0]

    def clean_faces(self) -> Tensor:
        """Luma of the clean faces (N, 1, S, S) at their original alignment."""
        return warp(to_luma(self.pixels), torch.stack([views[0].grids[0] for views in self.views]))

    def landmarks(self, row: int) -> Tensor:
        """The landmarks (5, 2) of face `row` in the perturbation's frame."""
        return torch.from_numpy(self._landmarks[row] @ self.transforms[row][:, :2].T + self.transforms[row][:, 2])
