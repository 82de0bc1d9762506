"""Finished runs: all that a report and a replay depend on, as results.json has it."""

from dataclasses import dataclass
from pathlib import Path

from graspnet.config import parse_config, parse_json
from graspnet.errors import InputError
from graspnet.sim_eval.analysis.results import VERSION
from graspnet.sim_eval.analysis.run_time import Session
from graspnet.sim_eval.analysis.version_2 import from_version_2
from graspnet.sim_eval.episodes.log import from_json
from graspnet.sim_eval.episodes.records import EpisodeRecord
from graspnet.sim_eval.planners.choice import PlannerChoice
from graspnet.sim_eval.protocols.protocol import ProtocolConfig

__all__ = ["FinishedRun", "read_run"]


@dataclass(frozen=True)
class FinishedRun:
    """A run whose episodes have ended."""

    config: ProtocolConfig
    planners: tuple[PlannerChoice, ...]
    seed: int
    records: tuple[EpisodeRecord, ...]  # in the order of their numbers
    name: str = ""  # the protocol's, as --config gave it
    session: Session | None = None  # the one that finished the run, where it is known


def read_run(folder: Path) -> FinishedRun:
    """Read the run that `graspnet simulate` or `demo` left in a folder. InputError: there is none that we can read."""
    path = folder / "results.json"
    try:
        data = parse_json(path.read_text())
        if data["version"] == 2 and "planners" in data:
            data = from_version_2(data)
        if data["version"] != VERSION:
            raise InputError(f"{path}: written by another version of graspnet; run it again")
        return FinishedRun(
            parse_config(ProtocolConfig, data["protocol"], str(path)),
            tuple(from_json(PlannerChoice, planner, str(path)) for planner in data["planners"]), data["seed"],
            tuple(from_json(EpisodeRecord, record, str(path)) for record in data["episodes"]),
            data.get("protocol_name", ""),
        )  # fmt: skip
    except InputError:
        raise
    except OSError:
        raise InputError(_without_results(folder)) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the results of a run") from None


def _without_results(folder: Path) -> str:
    runs = sorted(path.parent.name for path in folder.glob("*/results.json"))  # variants, mostly
    if runs:
        inner = f"{', '.join(runs)} in it do; --output {folder}/{runs[0]} is that run"
        return f"{folder}: holds no results.json, but {inner}"
    return f"{folder}: holds no results.json; --output names the folder of a finished run"
