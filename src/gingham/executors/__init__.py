"""Where work is done: one signature, several machines to do it on."""

from gingham.executors.cpus import usable_cpus, withheld_cpus
from gingham.executors.local import map_ordered
from gingham.executors.openvino import has_bf16, import_openvino, openvino_core

__all__ = ["has_bf16", "import_openvino", "map_ordered", "openvino_core", "usable_cpus", "withheld_cpus"]
