"""The metrics of the models that answer: of the one of every brand, and of each brand's own that has a label.

In: the live models, whenever they have changed. Out: gauges, and those of a brand gone with its model.
"""

import math
from collections.abc import Mapping

import numpy as np

from consumers.observability.brand_labels import OTHER
from consumers.observability.metrics import Metrics
from model.snapshots.metadata import version_number
from serving.live_models.live_model import LiveModel


class ModelFigures:
    """Brings the gauges up to date; for the loop's thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._labels: set[str] = set()  # of brands, with gauges of their own

    def show(self, live: Mapping[str, LiveModel]) -> None:
        """These answer, by brand: the gauges speak of that of every brand ("": where there is none, of any)."""
        self._show_brands({brand: model for brand, model in live.items() if brand})
        model = live.get("") or next(iter(live.values()), None)
        if model is None:
            self._metrics.model.serve("none", number=0, made_at_s=math.nan, products=0)
            return
        made_at_s = model.metadata.created_at_s
        number, products = version_number(model.version), len(model.numbers)
        self._metrics.model.serve(model.version, number=number, made_at_s=made_at_s, products=products)
        self._metrics.model.index_recall("customers").set(model.model.index.form.recall)
        self._metrics.model.index_recall("products").set(model.similar.form.recall)
        self._metrics.answers.recommended.of_catalogue(model.model.number_of_row.astype(np.uint32))

    def _show_brands(self, own: Mapping[str, LiveModel]) -> None:
        """Those brands that have a label of their own; what is said of several together would mean nothing."""
        of = self._metrics.model
        of.brands.set(len(own))
        labelled = {self._metrics.brand_label(brand): model for brand, model in own.items()}
        labelled.pop(OTHER, None)
        for label in self._labels - labelled.keys():
            for gauge in (of.brand_version, of.brand_made, of.brand_products):
                gauge.forget(label)
        for label, model in labelled.items():
            of.brand_version(label).set(version_number(model.version))
            of.brand_made(label).set(model.metadata.created_at_s)
            of.brand_products(label).set(len(model.numbers))
        self._labels = set(labelled)
