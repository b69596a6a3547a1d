"""What ``node.toml`` in a node's home says, checked whole before anything starts.

Values only: opening what the paths name is left to the assembly.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from federation.codes import divisions
from federation.errors import Misconfigured, Reason
from federation.watch.settings import LogLevel, MetricsAddress

FILE = "node.toml"


def _known_division(code: str) -> str:
    if code not in divisions.load():
        raise ValueError("is not a GB/T 2260 division code")
    return code


class Settings(BaseModel):
    """A section of a configuration file: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


T = TypeVar("T", bound=Settings)


class Coordinator(Settings):
    """Where the federation's meeting point listens, when it is not where the invitation said."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 7443


class Paths(Settings):
    """Files and folders, relative to the node's home unless absolute."""

    database: str = "store/node.db"
    keys: str = "keys"
    policy: str = "policy.toml"
    imports: str = "import"


class Portal(Settings):
    """Where the portal API and the console listen; only this machine unless told otherwise."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8443


class NodeConfig(Settings):
    """One city's node. ``clock_skew_s``: how far other clocks may be off, seconds.

    ``metrics``: host:port of the scrape endpoint, none when empty.
    """

    division: Annotated[str, AfterValidator(_known_division)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    coordinator: Coordinator | None = None
    paths: Paths = Paths()
    portal: Portal = Portal()
    clock_skew_s: Annotated[int, Field(ge=0, le=3_600)] = 120
    log_level: LogLevel = "info"
    metrics: MetricsAddress = ""

    def locate(self, home: Path, name: Literal["database", "keys", "policy", "imports"]) -> Path:
        """The absolute place of one of :class:`Paths`."""
        path: str = getattr(self.paths, name)
        return (home / path).absolute()


def parse_config(text: str, source: str = FILE) -> NodeConfig:
    """Read a configuration. Raises Misconfigured(CONFIGURATION) naming every key that is wrong."""
    return parse_toml(text, NodeConfig, source)


def load_config(home: Path) -> NodeConfig:
    """Read ``node.toml`` in ``home``. Raises Misconfigured(CONFIGURATION)."""
    return parse_config(read_text(home / FILE), str(home / FILE))


def read_text(path: Path) -> str:
    """A configuration file's text. Raises Misconfigured(CONFIGURATION) when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(Reason.CONFIGURATION, f"{path} cannot be read: {error}") from error


def parse_toml(text: str, kind: type[T], source: str) -> T:
    """TOML into settings of one kind. Raises Misconfigured(CONFIGURATION)."""
    try:
        # JSON's strictness lets arrays become tuples, which Python's would refuse.
        return kind.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(Reason.CONFIGURATION, f"{source} is not TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False)
        )
        raise Misconfigured(Reason.CONFIGURATION, f"{source}: {wrong}") from error
