"""Noise and work are exchanged at the benchmark's own assembly only: nothing else leads there."""

import ast
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

import federation
from benchmarks.rounds import city
from federation.documents.charter import Charter, PrivacyTerms, StatisticsTerms, TrainingTerms
from node import app
from node.config import NodeConfig
from node.policy import Policy
from node.privacy.measure import discrete_gaussian

ROOT = Path(federation.__file__).parents[1]
PACKAGES = ("federation", "node", "deploy")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_a_node_as_it_comes_adds_discrete_gaussian_noise():
    parts = app.Parts()
    assert parts.noise is discrete_gaussian
    assert parts.work is app.city_work
    assert city.ECHOING.noise is not discrete_gaussian


def test_only_a_tests_assembly_makes_other_parts():
    """Wherever the product makes ``Parts``, they are those of a node as it comes."""
    made = [
        (path.relative_to(ROOT).as_posix(), len(node.args) + len(node.keywords))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) == "Parts"
    ]
    assert set(made) == {("node/app.py", 0)}


# Where each function of ``node.app`` takes its parts, counted from 0.
PLACES = {"attend": 4, "serve": 4, "_until_signalled": 3, "participant_of": 3}


def test_no_line_of_the_product_hands_parts_to_a_node():
    """What ``node.app`` hands on is the parameter it was given; nothing else hands any."""
    handing = [
        (path.relative_to(ROOT).as_posix(), ast.unparse(value))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and (place := PLACES.get(_name(node.func))) is not None
        for value in (
            *node.args[place : place + 1],
            *(k.value for k in node.keywords if k.arg in ("parts", None)),
        )
    ]
    assert set(handing) == {("node/app.py", "parts")}


def test_a_node_reads_its_noise_from_no_environment():
    """Where noise is chosen and drawn, no environment is looked at."""
    for module in ("app", "contribution", "privacy/measure", "participant", "gate"):
        source = (ROOT / "node" / f"{module}.py").read_text("utf-8")
        assert "environ" not in source
        assert "getenv" not in source


@pytest.mark.parametrize(
    "kind", [Charter, PrivacyTerms, TrainingTerms, StatisticsTerms, NodeConfig, Policy]
)
def test_no_charter_and_no_setting_has_a_word_for_it(kind):
    names = (
        {field.name for field in dataclasses.fields(kind)}
        if dataclasses.is_dataclass(kind)
        else set(_names(kind))
    )
    widths = {"noise_multiplier", "evaluation_noise_multiplier"}  # how wide, never whether
    assert not {n for n in names - widths if "noise" in n or "work" in n or "part" in n}


@pytest.mark.parametrize("width", [0.0, -1.0])
def test_a_charter_cannot_ask_for_no_noise(width):
    terms = {
        "epsilon": 8.0,
        "delta": 1e-6,
        "sampling_rate": 1.0,
        "clipping_norm": 1.0,
        "scale": 1 << 16,
        "modulus_bits": 32,
    }
    PrivacyTerms(**terms, noise_multiplier=1.0)
    with pytest.raises(federation.errors.Malformed, match="noise_multiplier"):
        PrivacyTerms(**terms, noise_multiplier=width)


def test_the_nodes_program_never_loads_the_benchmarks_assembly(tmp_path):
    """Even with the benchmark importable, ``labor-node`` does not import it."""
    lines = ("import sys", "import node.cli", "import node.app", "print(*sys.modules, sep='\\n')")
    path = os.pathsep.join((str(ROOT), str(Path(__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    loaded = done.stdout.split()
    assert "node.app" in loaded
    assert not [name for name in loaded if name.startswith("benchmarks")]


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _names(settings: type) -> list[str]:
    found = []
    for name, field in settings.model_fields.items():
        found.append(name)
        if hasattr(field.annotation, "model_fields"):
            found += _names(field.annotation)
    return found
