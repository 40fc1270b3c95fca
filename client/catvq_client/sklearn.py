"""A transformer of scikit-learn that learns codes of rows, through a service or in this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from catvq_client.errors import CatvqError
from catvq_client.synchronous.client import Client

ROWS_AT_ONCE = 1024


class CatvqTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns which features belong together, and codes for each group; rows become codes.

    Rows are numbers; NaN is missing. All of a frame's columns have to be numbers: text and dates are for
    `Client.datasets.upload`, which knows more of a table than an array can hold.

    Args:
        url: Of a service that trains and encodes; None: this process does, which needs the package catvq.
        categories: How many groups of features, or "auto".
        epochs: How long to train, or "auto".
        random_state: The seed.
        config: Further sections of a job's configuration, such as `{"model": {"levels": 2}}`.

    Attributes:
        codes_out_: Names of the codes, one for each category and level.
        grouping_: The category of each feature, as the service describes it.
        model_id_: Of the service's model; None without a service.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        categories: int | str = "auto",
        epochs: int | str = "auto",
        random_state: int = 0,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.url = url
        self.categories = categories
        self.epochs = epochs
        self.random_state = random_state
        self.config = config

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's signature
        """Learn from rows [N, D].

        Raises:
            ValueError: They are too few, or none of their features varies.
            CatvqError: The service refused them, or the training failed.
        """
        rows = self._checked(X, reset=True)
        names = getattr(self, "feature_names_in_", None)
        features = [f"x{index}" for index in range(rows.shape[1])] if names is None else list(names)
        given = {
            "model": {"categories": self.categories},
            "training": {"epochs": self.epochs, "seed": self.random_state},
        }
        config = {**(self.config or {})}
        for section, fields in given.items():
            config[section] = {**fields, **config.get(section, {})}
        self._model = (
            _train_here(rows, features, config)
            if self.url is None
            else _train_there(self.url, rows, features, config)
        )
        self.codes_out_, self.grouping_ = self._model.tokens, self._model.grouping
        self.model_id_ = self._model.model_id
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Return the codes of rows, int64 [N, categories * levels]."""
        check_is_fitted(self)
        return self._model.encode(self._checked(X, reset=False))

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:  # noqa: N803
        """Return the rows that codes stand for, [N, D]."""
        check_is_fitted(self)
        return self._model.decode(np.asarray(X, dtype=np.int64))

    def get_feature_names_out(
        self,
        input_features: object = None,  # noqa: ARG002 - scikit-learn's signature
    ) -> NDArray[np.object_]:
        """Return the names of the codes; input features are not looked at."""
        check_is_fitted(self)
        return np.array(self.codes_out_, dtype=object)

    def _checked(self, rows: ArrayLike, *, reset: bool) -> NDArray[np.floating[Any]]:
        checked: NDArray[np.floating[Any]] = validate_data(
            self,
            rows,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        return checked

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


@dataclass(frozen=True)
class _Here:
    """A frozen model in this process."""

    encoder: bytes
    decoder: bytes
    tokens: tuple[str, ...]
    grouping: dict[str, Any]
    model_id: None = None

    def encode(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        session = _session(self.encoder)
        kind = np.float64 if session.get_inputs()[0].type == "tensor(double)" else np.float32
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(rows, kind)
        return np.concatenate([session.run(["codes"], {"rows": part})[0] for part in _parts(rows)])

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        session = _session(self.decoder)
        return np.concatenate([session.run(["rows"], {"codes": part})[0] for part in _parts(codes)])


@dataclass(frozen=True)
class _There:
    """A model of a service."""

    url: str
    model_id: str
    tokens: tuple[str, ...]
    grouping: dict[str, Any]

    def encode(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        with Client(self.url) as client:
            return client.models.encode(self.model_id, rows)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        with Client(self.url) as client:
            return client.models.decode(self.model_id, codes)


def _train_here(rows: NDArray[Any], features: list[str], config: Mapping[str, Any]) -> _Here:
    try:
        core = import_module("catvq")
    except ImportError as error:
        raise CatvqError("without url= the package catvq has to be installed") from error
    table = core.FeatureTable(rows, tuple(features), {"features": tuple(features)})
    try:
        run = core.TrainingRun.start(table, core.RunConfig.from_dict(config))
    except ValueError as error:
        raise ValueError(f"n_samples={len(rows)}, n_features={len(features)}: {error}") from error
    while not run.is_finished:
        run.train_epoch()
    frozen = run.freeze()
    tokens = tuple(f"{category}.{level}" for category in frozen.categories for level in range(frozen.levels))
    return _Here(frozen.encoder, frozen.decoder, tokens, frozen.grouping)


def _train_there(url: str, rows: NDArray[Any], features: list[str], config: Mapping[str, Any]) -> _There:
    with Client(url) as client:
        dataset = client.datasets.upload(rows, columns=features)
        job = client.jobs.wait(client.jobs.submit({"dataset": dataset.id, **config}).id)
        if job.model is None:
            raise CatvqError(f"the training {job.status}: {job.reason}")
        model = client.models.get(job.model)
        return _There(url, model.id, model.tokens, client.models.grouping(model.id).document())


@lru_cache(maxsize=16)
def _session(content: bytes) -> Any:
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors only
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _parts(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array[start : start + ROWS_AT_ONCE] for start in range(0, len(array), ROWS_AT_ONCE)]
