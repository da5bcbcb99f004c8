"""What saves time where several processes that test share the cores. None of it changes what is computed.

To be imported before what reads it as it is loaded; every process that a test starts is given it.
"""

from __future__ import annotations

import os
import sys

# Threads that have nothing to do sleep instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # NumPy's and SciPy's; 2 to the power of it, in clock cycles
# What is compiled is kept: PyTorch, installed without its bytecode, takes each process five seconds to compile.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
