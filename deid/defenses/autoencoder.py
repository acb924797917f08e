"""Autoencoders of photos and of features: what they reproduce is what they have learned to expect."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 32  # channels, between the two halvings of the side
CHANNELS_OF_CODE = 4  # for each channel of the photo; at a quarter of the side that is a quarter of the numbers
SHARE_OF_CODE = 1 / 8  # of the numbers of a feature
PHOTO_STEPS, PHOTO_BATCH, PHOTO_RATE = 600, 8, 3e-3
FEATURE_STEPS, FEATURE_BATCH, FEATURE_RATE = 1500, 128, 3e-3


class Autoencoder(nn.Module):
    """x → decoder(encoder(x)), of the same shape. Not brought into [0, 1]: a clamp would hide gradients."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Scaled(nn.Module):
    """(x − mean) / deviation, or back. mean: (D,)."""

    def __init__(self, mean: Tensor, deviation: float, *, back: bool = False) -> None:
        super().__init__()
        self.mean, self.deviation, self.back = mean, deviation, back

    def forward(self, x: Tensor) -> Tensor:
        return x * self.deviation + self.mean if self.back else (x - self.mean) / self.deviation


def photo_autoencoder(photos: Tensor, *, seed: int) -> Autoencoder:
    """A small convolutional one, trained on photos (N, C, H, W) in [0, 1], H and W multiples of 4. Frozen."""
    channels = photos.shape[1]
    code = CHANNELS_OF_CODE * channels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        autoencoder = Autoencoder(
            nn.Sequential(
                nn.Conv2d(channels, WIDTH, 4, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(WIDTH, 2 * WIDTH, 4, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(2 * WIDTH, code, 3, padding=1),
            ),
            nn.Sequential(
                nn.Conv2d(code, 2 * WIDTH, 3, padding=1), nn.ReLU(),
                nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, stride=2, padding=1), nn.ReLU(),
                nn.ConvTranspose2d(WIDTH, channels, 4, stride=2, padding=1),
            ),
        ).to(photos)  # fmt: skip

    def loss(rows: Tensor) -> Tensor:
        batch = photos[rows]
        return F.mse_loss(autoencoder(batch), batch)

    minimize(loss, autoencoder.parameters(), len(photos), PHOTO_STEPS, PHOTO_BATCH, PHOTO_RATE, seed=seed)
    return autoencoder.eval().requires_grad_(False)


def feature_autoencoder(features: Tensor, *, seed: int) -> Autoencoder:
    """A dense one, trained on features (N, D). Frozen."""
    size = features.shape[1]
    code = max(2, round(SHARE_OF_CODE * size))
    mean = features.mean(0)
    deviation = float((features - mean).square().mean().sqrt().clamp(min=1e-12))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        autoencoder = Autoencoder(
            nn.Sequential(Scaled(mean, deviation), nn.Linear(size, size), nn.ReLU(), nn.Linear(size, code)),
            nn.Sequential(nn.Linear(code, size), nn.ReLU(), nn.Linear(size, size), Scaled(mean, deviation, back=True)),
        ).to(features)

    def loss(rows: Tensor) -> Tensor:
        batch = features[rows]
        return F.mse_loss(autoencoder(batch), batch) / deviation**2

    minimize(loss, autoencoder.parameters(), len(features), FEATURE_STEPS, FEATURE_BATCH, FEATURE_RATE, seed=seed)
    return autoencoder.eval().requires_grad_(False)


def minimize(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[nn.Parameter],
    n: int,
    steps: int,
    batch: int,
    rate: float,
    *,
    seed: int,
) -> None:
    """Adam, its rate falling to 0 by a half cosine. loss: of a batch, rows (batch,) of n items."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(parameters, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(torch.randint(n, (min(batch, n),), generator=generator)).backward()
        optimizer.step()
        schedule.step()
