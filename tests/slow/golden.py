"""Are the photos that `deid photo` writes the same, byte for byte, before and after a change of the code?

    python tests/slow/golden.py LFW golden.json     # the first time: keeps what comes out; later: compares

The two sample photos and one group photo of LFW, each profile, seed 1, as PNG. It holds for one machine and one version
of torch: other processors round otherwise. Exit 1 where a file differs.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.cbook
import skimage.data
from PIL import Image

GROUP = "Damon_Stoudamire/Damon_Stoudamire_0001.jpg"  # three faces
PROFILES = ("stranger", "paper")


def main(people: Path, kept: Path, command: list[str]) -> int:
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    now, differing = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        astronaut = Path(folder) / "astronaut.png"
        Image.fromarray(skimage.data.astronaut()).save(astronaut)
        hopper = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
        for photo in (astronaut, hopper, people / GROUP):
            for profile in PROFILES:
                name = f"{photo.stem}, {profile}"
                now[name] = digest_of(photo, profile, Path(folder) / "out.png", command)
                same = before.get(name, now[name]) == now[name]
                differing += not same
                print(f"{name}: {now[name][:16]}{'' if same else ' DIFFERS'}", flush=True)
    if not before:
        kept.write_text(json.dumps(now, indent=2) + "\n")
    return 1 if differing else 0


def digest_of(photo: Path, profile: str, output: Path, command: list[str]) -> str:
    """SHA-256 of the file that comes out, written even where a face fails; of its exit code where none does."""
    started = time.monotonic()
    options = ["-o", str(output), "--profile", profile, "--seed", "1", "--overwrite", "--write-unverified"]
    ended = subprocess.run([*command, "photo", str(photo), *options], capture_output=True, text=True)
    print(f"  exit {ended.returncode}, {time.monotonic() - started:.0f} s", flush=True)
    if ended.returncode not in (0, 4):
        raise SystemExit(f"{photo}: {ended.stderr}")
    return hashlib.sha256(output.read_bytes()).hexdigest()


if __name__ == "__main__":
    people, kept, *command = sys.argv[1:]
    sys.exit(main(Path(people), Path(kept), command or [str(Path(sys.executable).with_name("deid"))]))
