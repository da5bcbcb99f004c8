"""Threads that have nothing to do sleep: the cores are shared by several processes that test.

To be imported before what reads these variables as it is loaded, and passed on to every process that a test starts.
How many threads there are, and what they compute, stays as it is.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # NumPy's and SciPy's; 2 to the power of it, in clock cycles
