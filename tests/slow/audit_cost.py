"""What an audit costs: seconds beside those inside the recognizers, and peak memory, for folders of several sizes.

    python tests/slow/audit_cost.py LFW 200 2000
    python tests/slow/audit_cost.py LFW 200 2000 --against dlib-resnet

What stands behind the counts is given to `deid audit`. The published photos are the originals saved as JPEG 90: what an
audit costs does not depend on who protected them.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from itertools import islice, takewhile
from pathlib import Path

from PIL import Image


def main(lfw: Path, counts: list[int], options: list[str]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            originals, published = Path(folder) / "originals", Path(folder) / "published"
            for photo in islice(sorted(lfw.glob("*/*.jpg")), count):
                for place in (originals, published):
                    (place / photo.parent.name).mkdir(parents=True, exist_ok=True)
                (originals / photo.parent.name / photo.name).symlink_to(photo.resolve())
                Image.open(photo).save(published / photo.parent.name / photo.name, quality=90)
            command = [
                sys.executable,
                "-m",
                "deid.commands.main",
                "audit",
                str(originals),
                str(published),
                "--json",
                *options,
            ]
            state = {**os.environ, "XDG_STATE_HOME": str(Path(folder) / "state")}
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=state, check=False)
            report = json.loads(done.stdout)
            made, faces = report["made"], report["sets"][0]["counts"]["faces"]
            ratio = made["seconds"] / made["seconds_in_recognizers"]
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
            print(
                f"{count} photos, {faces} faces, {len(report['recognizers'])} recognizers: {made['seconds']:.0f} s, "
                f"{ratio:.2f} × the recognizers' own, peak of any run so far {peak:.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    sizes = [int(text) for text in takewhile(str.isdigit, sys.argv[2:])]
    main(Path(sys.argv[1]), sizes, sys.argv[2 + len(sizes) :])
