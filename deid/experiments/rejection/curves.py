"""What each system answers to photos attacked within balls of growing radius, kept a batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.intervals import proportion
from deid.attacks.contract import Attacked
from deid.attacks.defense_aware import confident_pgd, defense_aware_pgd
from deid.defenses.contract import ADVERSARIAL, Classifier, Defended
from deid.defenses.registry import DEFENSES
from deid.defenses.rejecting import SHARE, rejecting
from deid.errors import UsageError
from deid.experiments.kept import kept_arrays
from deid.experiments.tables.data import SEED, Photos, sample

RADII = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)  # ε, in L2 with pixels in [0, 1]
STEPS = 40  # at most, in each ball
LEARNED = 1000  # training photos that the machines learn from
CONFIDENT_STEPS = 20  # of the attack on the bare network
FOUND_RADIUS = 3.0  # of the attack on training photos, to learn again from
CALIBRATING = 500  # test photos, none of them attacked, by which θ is set
BATCH_PIXELS = 8 * 128 * 128  # of all photos of a batch
SYSTEMS = ("undefended", "nr", "dnr", "nr, retrained", "dnr, retrained")
# Where the adversary starts from: as the study's does, from the clean photo; or from what fools the bare network, too.
ADVERSARIES = ("clean", "fooled")


@dataclass(frozen=True, eq=False)
class Bench:
    """What all systems are made of.

    sha256: of the network. train: its training photos; found: how many of them are attacked, to learn again from.
    clean: those that set θ.
    """

    classifier: Classifier
    sha256: str
    train: Photos
    found: int
    clean: Photos


def split_test(photos: Photos, count: int | None, repeats: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows to attack, `count` a repeat and none twice, and other rows that set θ.

    count: None: all that can be, the CALIBRATING ones, but at most half, left out.
    """
    most = (len(photos) - min(CALIBRATING, len(photos) // 2)) // repeats
    count = most if count is None else count
    if not 1 <= count <= most:
        raise UsageError(f"{repeats} repeats can be of {most} test photos each, not of {count}")
    chosen = sample(photos, count * repeats)
    rng = np.random.default_rng(SEED)
    others = rng.permutation(np.setdiff1d(np.arange(len(photos)), chosen))[:CALIBRATING]
    return np.split(rng.permutation(chosen), repeats), np.sort(others)


def curves_of(bench: Bench, samples: Sequence[Photos], note: Callable[[str], None]) -> dict[str, Any]:
    """For the document; «curves»: adversary → system → a `_point` for each radius. samples: each repeat's photos."""
    answers: dict[tuple[str, str], list[np.ndarray]] = {(who, name): [] for who in ADVERSARIES for name in SYSTEMS}
    for repeat, photos in enumerate(samples):
        systems = Systems(bench, repeat)
        for (who, name), of_repeats in answers.items():
            note(f"rejection: {name}, from {who} photos, repeat {repeat + 1} of {len(samples)}")
            of_repeats.append(_answers(systems, name, who, photos))
    labels = [photos.labels for photos in samples]
    return {
        "radii": RADII,
        "n": sum(map(len, labels)),
        "share": SHARE,
        "attacked_for_retraining": min(bench.found, len(bench.train)),
        "found_radius": FOUND_RADIUS,
        "curves": {
            who: {
                name: [_point(level, [of[level] for of in answers[who, name]], labels) for level in range(len(RADII))]
                for name in SYSTEMS
            }
            for who in ADVERSARIES
        },
    }


class Systems:
    """The systems of one repeat, each made when it is first asked for."""

    def __init__(self, bench: Bench, repeat: int) -> None:
        self.bench, self.repeat = bench, repeat
        order = np.random.default_rng([SEED, repeat]).permutation(len(bench.train))
        shuffled = bench.train[order]
        self.learned = shuffled[sample(shuffled, LEARNED)]
        self.to_find = shuffled[sample(shuffled, bench.found)]
        self.get = cache(self._made)

    def key(self, name: str) -> list[Any]:
        bench = self.bench
        return [
            bench.sha256,
            name,
            self.learned.digest,
            self.to_find.digest,
            bench.clean.digest,
            version("scikit-learn"),
        ]

    def _made(self, name: str) -> Defended:
        classifier, photos = self.bench.classifier, self.learned.as_tensor()
        labels = torch.from_numpy(self.learned.labels)
        if name == "undefended":
            return Defended(partial(_never_rejected, classifier))
        defense, *retrained = name.split(", ")
        if retrained:
            photos, labels = map(torch.cat, zip((photos, labels), self._found(defense), strict=True))
        defended = DEFENSES[defense].fit(classifier, photos, labels, seed=self.repeat)
        # The network has seen the photos that a `fit` sets θ by, and is surer of them than of new ones.
        return rejecting(lambda faces: defended.scores(faces)[:, :-1], self.bench.clean.as_tensor())

    def _found(self, defense: str) -> tuple[Tensor, Tensor]:
        """Training photos that the attack makes this defense take for another class, (n, C, H, W), and their labels."""
        parts = []
        for part in _batches(self.to_find):
            key = [*self.key(defense), "found", part.digest]
            parts.append(kept_arrays("rejection", key, partial(self._find, defense, part)))
        met = torch.from_numpy(np.concatenate([part["met"] for part in parts]))
        faces = torch.from_numpy(np.concatenate([part["faces"] for part in parts]))
        return faces[met], torch.from_numpy(self.to_find.labels)[met]

    def _find(self, defense: str, photos: Photos) -> dict[str, np.ndarray]:
        attacked = self.attacked(defense, photos, FOUND_RADIUS, [None, self.fooled(photos, FOUND_RADIUS)])
        return {"faces": attacked.faces.numpy(), "met": attacked.met.numpy()}

    def attacked(self, name: str, photos: Photos, radius: float, starts: Sequence[Tensor | None]) -> Attacked:
        scores, labels = self.get(name).scores, torch.from_numpy(photos.labels)
        return defense_aware_pgd(
            lambda faces, rows: scores(faces), photos.as_tensor(), labels,
            radius=radius, steps=STEPS, starts=starts, seed=SEED,
        )  # fmt: skip

    def fooled(self, photos: Photos, radius: float) -> Tensor:
        """(n, C, H, W): as the attack on the bare network leaves them; kept, as all systems start there."""

        def attack() -> dict[str, np.ndarray]:
            scores, labels = self.get("undefended").scores, torch.from_numpy(photos.labels)
            faces = confident_pgd(
                lambda faces, rows: scores(faces), photos.as_tensor(), labels,
                radius=radius, steps=CONFIDENT_STEPS, seed=SEED,
            )  # fmt: skip
            return {"faces": faces.numpy()}

        key = [self.bench.sha256, "fooled", radius, photos.digest]
        return torch.from_numpy(kept_arrays("rejection", key, attack)["faces"])


def _answers(systems: Systems, name: str, who: str, photos: Photos) -> np.ndarray:
    """int64 (RADII, n)."""
    parts = []
    for part in _batches(photos):
        key = [*systems.key(name), who, part.digest]
        parts.append(kept_arrays("rejection", key, partial(_attacked, systems, name, who, part))["answers"])
    return np.concatenate(parts, 1)


def _attacked(systems: Systems, name: str, who: str, photos: Photos) -> dict[str, np.ndarray]:
    """Each ball's attack goes on from the one before: who may go farther may also stay."""
    faces, answers = photos.as_tensor(), []
    for radius in RADII:
        if radius:
            starts = [faces] if who == "clean" else [faces, systems.fooled(photos, radius)]
            faces = systems.attacked(name, photos, radius, starts).faces
        answers.append(systems.get(name).answers(faces).numpy())
    return {"answers": np.stack(answers)}


def _never_rejected(classifier: Classifier, photos: Tensor) -> Tensor:
    logits = classifier.logits(photos)
    return torch.cat([logits, logits.new_full((len(logits), 1), -torch.inf)], 1)


def _point(level: int, answers: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> dict[str, Any]:
    """At one radius: all repeats together, and each. A rejection is right, except of a photo that nobody attacked."""
    rejected = [of_repeat == ADVERSARIAL for of_repeat in answers]
    right = [
        (of == truth) | (no if RADII[level] else False) for of, truth, no in zip(answers, labels, rejected, strict=True)
    ]
    return {
        "accuracy": vars(_share(right)),
        "rejected": vars(_share(rejected)),
        "accuracies": [float(of_repeat.mean()) for of_repeat in right],
    }


def _share(hits: Sequence[np.ndarray]) -> Any:
    together = np.concatenate(hits)
    return proportion(int(together.sum()), len(together))


def _batches(photos: Photos) -> Iterator[Photos]:
    size = max(1, BATCH_PIXELS // (photos.pixels.shape[2] * photos.pixels.shape[3]))
    for at in range(0, len(photos), size):
        yield photos[np.arange(at, min(at + size, len(photos)))]
