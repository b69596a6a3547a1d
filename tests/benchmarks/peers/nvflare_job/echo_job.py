"""The parts of NVFLARE's job that are ours: sites that echo, and a server that notes the time.

Runs inside NVFLARE's own processes, shipped with the job: knows NVFLARE only.
"""

import time
from pathlib import Path

from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.apis.wf_comm_spec import WFCommSpec
from nvflare.app_common.app_event_type import AppEventType
from nvflare.app_common.workflows.scatter_and_gather import ScatterAndGather


class Echo(Executor):
    """A native executor, in the site's job process: gives back the weights it was sent."""

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """Return the same weights, counted as one step."""
        weights = from_shareable(shareable).data
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: 1}
        return DXO(data_kind=DataKind.WEIGHTS, data=weights, meta=meta).to_shareable()


class Moments(FLComponent):
    """Writes the beginning of every round and the end of each to ``file``, Unix nanoseconds."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = Path(file)

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Note rounds; everything else passes."""
        if event_type in (AppEventType.ROUND_STARTED, AppEventType.ROUND_DONE):
            with self._file.open("a", encoding="ascii") as file:
                file.write(f"{event_type} {time.time_ns()}\n")


class QuickScatterAndGather(ScatterAndGather):
    """ScatterAndGather whose communicator waits as long as ``task_check_period`` says.

    In NVFLARE 2.9 the communicator reads another attribute than the one the setting is written to,
    and waits 0.2 s twice a round whatever is set.
    """

    def set_communicator(self, communicator: WFCommSpec) -> None:
        """Hand the setting on to where it is read."""
        super().set_communicator(communicator)
        communicator._task_check_period = self._task_check_period
