"""The bundle for Flower's SuperLink: one file, no code, and two apps that are installed here."""

import tomllib
from pathlib import Path

from flwr.clientapp import ClientApp
from flwr.common.config import validate_config
from flwr.serverapp import ServerApp
from flwr.supercore.object_ref import load_app
from support.administration import done, typed


def exported(folder: Path) -> Path:
    done("flower", "export", folder / "bundle", "--carrier-socket", folder / "c.sock")
    return folder / "bundle"


def test_the_bundle_is_one_file_that_flower_finds_nothing_wrong_with(tmp_path: Path) -> None:
    bundle = exported(tmp_path)
    assert [file.name for file in bundle.iterdir()] == ["pyproject.toml"]
    told = tomllib.loads((bundle / "pyproject.toml").read_text(encoding="utf-8"))
    assert validate_config(told, project_dir=bundle) == (True, [], [])
    assert told["tool"]["flwr"]["app"]["config"] == {
        "carrier-socket": str(tmp_path.resolve() / "c.sock"),
        "charter": "",
    }


def test_its_apps_are_those_of_the_installed_package(tmp_path: Path) -> None:
    bundle = exported(tmp_path)
    told = tomllib.loads((bundle / "pyproject.toml").read_text(encoding="utf-8"))
    apps = told["tool"]["flwr"]["app"]["components"]
    assert isinstance(load_app(apps["serverapp"], ValueError, bundle), ServerApp)
    assert isinstance(load_app(apps["clientapp"], ValueError, bundle), ClientApp)


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    bundle = exported(tmp_path)
    before = (bundle / "pyproject.toml").read_bytes()
    result = typed("flower", "export", bundle, "--carrier-socket", tmp_path / "other.sock")
    assert result.exit_code == 1
    assert "cannot be made: File exists" in result.stderr
    assert (bundle / "pyproject.toml").read_bytes() == before
