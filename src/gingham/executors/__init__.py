"""Where work is done: one signature, several machines to do it on."""

from gingham.executors.cpus import usable_cpus, withheld_cpus
from gingham.executors.launch import Launch, launched
from gingham.executors.local import map_ordered
from gingham.executors.openvino import has_bf16, import_openvino, openvino_core

__all__ = [
    "Launch",
    "has_bf16",
    "import_openvino",
    "launched",
    "map_ordered",
    "openvino_core",
    "usable_cpus",
    "withheld_cpus",
]
