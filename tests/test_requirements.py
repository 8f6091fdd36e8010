"""What is installed is what was locked, on every machine, and the lock says nothing about where it was made."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("runtime", "local", "otel", "dev", "previews", "build")


def locked(name: str) -> dict[str, str]:
    """Package to version, as `requirements/NAME.txt` pins it."""
    pins = re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


def wanted(*lists: list[str]) -> list[Requirement]:
    return [Requirement(line) for lines in lists for line in lines if not line.startswith("yidan")]


EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    "runtime": wanted(PROJECT["dependencies"]),
    "local": wanted(PROJECT["dependencies"], EXTRAS["local"]),
    "otel": wanted(PROJECT["dependencies"], EXTRAS["otel"]),
    "dev": wanted(PROJECT["dependencies"], EXTRAS["local"], EXTRAS["otel"], EXTRAS["bench"], EXTRAS["dev"]),
    "previews": wanted(PROJECT["dependencies"], EXTRAS["previews"]),
    "build": wanted(["hatchling"]),
}


@pytest.mark.parametrize("name", LOCKS)
def test_every_wish_of_the_project_is_locked_to_a_version_that_fulfils_it(name):
    pins = locked(name)
    for requirement in WANTED[name]:
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in requirements/{name}.txt; `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}, but {version} is locked; `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_hashes_and_no_address(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^--(?!hash)", text, re.MULTILINE), "no option that points at an index"
    for entry in re.split(r"\n(?=\S)", text):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("runtime", "local"), ("runtime", "otel"), ("local", "dev"), ("otel", "dev"), ("build", "dev")],
)
def test_tests_run_on_the_very_versions_that_production_runs_on(smaller, larger):
    assert locked(smaller).items() <= locked(larger).items()


def test_no_lock_that_records_a_registry_is_tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert not [path for path in listed if re.search(r"(^|/)(uv\.lock|pylock.*\.toml|poetry\.lock)$", path)]
