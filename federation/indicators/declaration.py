"""An indicator's declaration, read strictly from the catalogue, with its public domain and digest.

Lives here: what is counted, by which groups, and how far one worker moves it. Must not know: how a
city counts, noise, or runs.
"""

import hashlib
import json
import math
import tomllib
from functools import cached_property, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.codes import occupations
from federation.errors import Misconfigured, Reason

_LABEL = b"laborfed/indicator/v1\n"

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    """Immutable; unknown keys and loose types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Words(_Part):
    """The same in both languages."""

    zh: Text
    en: Text


class Group(_Part):
    """What the cells are: occupation groups of one level of CSCO-2022."""

    by: Literal["occupation"]
    level: Literal[1, 2, 3]


class Measure(_Part):
    """One column of figures.

    ``bound``: how far one worker's records can move the column, L2, in its unit; ``grade``: of the
    records that are counted (GB/T 43697-2024).
    """

    name: Identifier
    population: Literal["seekers", "openings"]
    bound: Annotated[float, Field(ge=0, le=1e6)]
    unit: Words
    grade: Literal[1, 2, 3, 4]


class Indicator(_Part):
    """One table of the catalogue. ``grade`` is the noised release's."""

    indicator: Identifier
    version: Annotated[int, Field(ge=1)]
    grade: Literal[1, 2, 3, 4]
    title: Words
    group: Group
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _distinct_measures(self) -> "Indicator":
        if len({measure.name for measure in self.measures}) != len(self.measures):
            raise ValueError("measures must have distinct names")
        return self

    @cached_property
    def domain(self) -> tuple[str, ...]:
        """Every group's code, ascending: public, so that empty cells are released too."""
        return tuple(o.code for o in occupations.load().at_level(self.group.level))

    @property
    def length(self) -> int:
        """Integers in one contribution: measure by measure, each over the whole domain."""
        return len(self.measures) * len(self.domain)

    @property
    def sensitivity(self) -> float:
        """How far one worker's records move all columns together, L2: the clipping norm."""
        return math.hypot(*(measure.bound for measure in self.measures))

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over declaration and domain: what a charter and a release name."""
        declared = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)
        domain = "\n".join(self.domain)
        return hashlib.sha256(_LABEL + f"{declared}\n{domain}".encode()).digest()


def parse(text: str, source: str) -> Indicator:
    """Read one declaration. Raises Misconfigured(CONFIGURATION) naming every key that is wrong."""
    try:
        # JSON's strictness lets arrays become tuples, which Python's would refuse
        return Indicator.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(Reason.CONFIGURATION, f"{source} is not TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise Misconfigured(Reason.CONFIGURATION, f"{source}: {wrong}") from error


@lru_cache(maxsize=1)
def catalogue() -> MappingProxyType[str, Indicator]:
    """Every indicator this version ships, by identifier."""
    folder = resources.files("federation.indicators") / "catalogue"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    read = [parse(file.read_text(encoding="utf-8"), file.name) for file in files]
    return MappingProxyType({indicator.indicator: indicator for indicator in read})
