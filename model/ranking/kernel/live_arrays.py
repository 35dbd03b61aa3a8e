"""What the kernel reads by row, kept fresh in place, and the kernel itself once it is compiled."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.ranking.kernel.compilation import Compilation
from model.ranking.kernel.tables import Demand

if TYPE_CHECKING:
    from model.ranking.kernel.kernel import Kernel
    from model.ranking.model import RankingModel


class LiveArrays:
    """Of one model, 12 bytes a product."""

    def __init__(self, items: int, compilation: Compilation) -> None:
        """All zeros: every row has to be `set` before the kernel is asked."""
        self.demand = Demand(*(np.zeros(items, np.float32) for _ in range(3)))
        self._compilation = compilation
        self._kernel: Kernel | None = None

    def set(
        self,
        rows: NDArray[np.integer],
        biases: NDArray[np.float32],
        popularity: NDArray[np.float64],
        trend: NDArray[np.float64],
    ) -> None:
        """What sells of these rows, all (len(rows),)."""
        self.demand.bias[rows] = biases
        self.demand.popularity[rows] = popularity
        self.demand.trend[rows] = trend

    def kernel_of(self, model: "RankingModel") -> "Kernel | None":
        """The kernel for the model whose arrays these are; None until it is compiled."""
        if self._kernel is None:
            made = self._compilation.kernel
            self._kernel = None if made is None else made(model, self.demand)
        return self._kernel
