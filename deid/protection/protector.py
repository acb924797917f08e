"""What a run needs, loaded once: the options, and the recognizers with their galleries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version

from deid.errors import UsageError
from deid.images.photo import Photo
from deid.protection.enrollment import FoundFaces, enroll_people, find_faces
from deid.protection.options import check_options
from deid.protection.own_photos import OwnPhotos, read_own_photos
from deid.protection.profiles import PROFILES, Profile
from deid.protection.surrogates import Surrogate
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.device import device_for
from deid.recognizers.gallery import Gallery, build_gallery
from deid.recognizers.recognizer import Recognizer
from deid.types import Options

Load = Callable[[str, str], Recognizer]
"""Name and device → the recognizer."""


@dataclass(frozen=True, eq=False)
class Protector:
    """Made by `load_protector`.

    profile: the one asked for, as strong as asked for.
    device: where networks run, cpu or cuda.
    surrogates: what attacks work against; the first is the one whose ranks are reported, and knows the people.
    own_photos: other photos of the person to protect, if the options name any.
    load: of further recognizers that are asked but not attacked.
    """

    options: Options
    profile: Profile
    device: str
    surrogates: tuple[Surrogate, ...]
    own_photos: OwnPhotos = field(default_factory=OwnPhotos)
    load: Load = load_recognizer

    @property
    def recognizer(self) -> Recognizer:
        return self.surrogates[0].recognizer

    @property
    def gallery(self) -> Gallery:
        return self.surrogates[0].gallery

    def find(self, photo: Photo) -> FoundFaces:
        """Who is in a photo."""
        return find_faces(photo.pixels, self.surrogates[0], self.device, sure=self.options.sure)


def load_protector(
    options: Options, *, further: Sequence[str] | None = None, load: Load = load_recognizer
) -> Protector:
    """Raises UsageError for options that make no sense, CheckpointError for missing weights.

    further: the surrogates beside `options.recognizer`, by name; None: the profile's.
    """
    check_options(options)
    load = cache(load)  # for the photos to come
    device = device_for(options.device)
    recognizer = load(options.recognizer, device)
    if not len(recognizer.decoys):
        raise UsageError(f"{options.recognizer} has no decoys, so no gallery to hide in: choose another recognizer")
    people = enroll_people(options.people, recognizer, device) if options.people else {}
    further = PROFILES[options.profile].further_surrogates if further is None else further
    others = [load(name, device) for name in further if name != options.recognizer]
    return Protector(
        options,
        PROFILES[options.profile].with_strength(options.strength),
        device,
        (
            Surrogate(recognizer, build_gallery(recognizer.decoys, people)),
            *(Surrogate(other, Gallery(other.decoys)) for other in others),
        ),
        read_own_photos(options.mine, [recognizer, *others], device) if options.mine else OwnPhotos(),
        load,
    )


def versions() -> dict[str, str]:
    """Of what decides a result, for its record."""
    return {name: version(name) for name in ("face-deid", "torch", "facenet-pytorch")}
