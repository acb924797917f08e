"""How often a face that holds at the cheap checks of a round holds at every look: `python looks.py LFW COUNT PROFILE`.

Prints how many faces passed the cheap check of the last round, how many of them passed the whole one, and what failed.
"""

import sys
from collections import Counter
from pathlib import Path

from deid.anonymity.groups import draw_groups, seeded_rng
from deid.anonymity.intervals import proportion
from deid.experiments.photos import held_out_photos
from deid.images.photo import Photo
from deid.protection import rounds
from deid.protection.criteria import shortcoming
from deid.protection.pipeline import process_photo
from deid.protection.protector import load_protector
from deid.protection.task import PhotoTask
from deid.protection.verification import FaceCheck, verify
from deid.types import Options

passed = Counter[bool]()
failed = Counter[str]()


def recorded(task: PhotoTask, saved: Photo, *, thorough: bool = True) -> list[FaceCheck]:
    checks = verify(task, saved, thorough=thorough)
    # The rounds ask for the whole check where all faces hold at the cheap one, or at their end.
    if thorough:
        for cheap, whole in zip(verify(task, saved, thorough=False), checks, strict=True):
            if not shortcoming(cheap, task.profile):
                reason = shortcoming(whole, task.profile)
                passed[not reason] += 1
                if reason:
                    failed[reason] += 1
    return checks


def main() -> None:
    people, count, profile = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    rounds.verify = recorded
    protector, rng = load_protector(Options(profile=profile)), seeded_rng(0)
    for number, photo in enumerate(held_out_photos(people, count), 1):
        process_photo(photo, photo, protector, lambda found: draw_groups(len(found), protector.options.k_level, rng))
        print(f"{number}: {passed[True]} of {passed.total()}", file=sys.stderr)
    print(f"{profile}: of {passed.total()} checks of a face that held at the cheap checks, at all looks "
          f"{proportion(passed[True], passed.total()):.1f%}")  # fmt: skip
    for reason, times in failed.most_common():
        print(f"  {times} × {reason}")


if __name__ == "__main__":
    main()
