"""What is installed is what lies in the checkout: packages and their data are listed by hand in pyproject.toml."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {name: ROOT / SETUPTOOLS["package-dir"].get(name, name.replace(".", "/")) for name in SETUPTOOLS["packages"]}


def test_every_folder_with_code_is_a_package() -> None:
    there = {path.parent for top in ("deid", "app", "weights") for path in (ROOT / top).rglob("*.py")}
    assert there == set(FOLDERS.values())


def test_every_other_file_beside_code_is_data_of_its_package() -> None:
    left_out = [
        str(path.relative_to(ROOT))
        for name, folder in FOLDERS.items()
        for path in folder.iterdir()
        if path.is_file()
        if path.suffix not in (".py", ".pyc")
        if not any(path.match(pattern) for pattern in SETUPTOOLS["package-data"].get(name, ()))
    ]
    assert left_out == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wheel_runs_the_demo_where_nothing_of_the_checkout_is_seen(tmp_path: Path) -> None:
    """Its dependencies are this environment's; the program itself is the wheel's alone."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "clean")}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [tmp_path / "clean" / "bin" / "deid", "demo"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "demo" / "astronaut-side-by-side.png").is_file()
    where = subprocess.run([python, "-c", "import deid.app; print(deid.app.__file__)"], capture_output=True, text=True,
                           check=True, cwd=tmp_path)  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(site)
