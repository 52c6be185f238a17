"""NumPy's arrays by what they hold, where jaxtyping gives their shape.

jaxtyping looks into the array's type, and since NumPy 2.5 can't into `numpy.typing.NDArray`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Integers = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Doubles = np.ndarray[Any, np.dtype[np.float64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]
