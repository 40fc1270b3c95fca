"""How near encoding comes to its bare matrix products, in process and on one thread: `make bench-encode`."""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from app.inference.encoder import Encoder
from benchmarks.frozen_model import (
    CATEGORIES,
    CODEBOOK,
    EMBEDDING,
    FEATURES,
    LATENT,
    LEVELS,
    BenchmarkModel,
    EagerModel,
    draw_rows,
)
from catvq.model.codes.residual_search import BEAM
from catvq.onnx_builder import Graph

ROWS = (1, 16, 256, 4096)
TARGETS = {16: 0.90, 256: 0.90, 4096: 0.85}
WIDTHS = (FEATURES // CATEGORIES, EMBEDDING, LATENT)
CANDIDATES = 1 + (LEVELS - 1) * BEAM  # of which each is compared with a codebook
OURS = "catvq, codes"
PRODUCTS = ("matrix products, torch", "matrix products, ONNX Runtime")  # the faster one is the floor

Rows = NDArray[np.float32]
Engine = Callable[[Rows], object]


class Floor:
    """The bare products of all layers, of rows already cleaned and gathered: nothing else can be left out."""

    def __init__(self, rows: int, *, rows_at_once: int) -> None:
        count = min(rows, rows_at_once)
        self._repeats = -(-rows // count)
        pairs = [*itertools.pairwise(WIDTHS), (WIDTHS[0], LATENT)]
        self._layers = [
            (
                torch.rand(CATEGORIES, count, width),
                torch.rand(CATEGORIES, width, following),
                torch.empty(CATEGORIES, count, following),
            )
            for width, following in pairs
        ]
        rests, books = (
            torch.rand(CATEGORIES, CANDIDATES * count, LATENT),
            torch.rand(CATEGORIES, LATENT, CODEBOOK),
        )
        self._layers.append((rests, books, torch.empty(CATEGORIES, CANDIDATES * count, CODEBOOK)))
        self._bind(count)

    def batched(self, _: Rows) -> None:
        """Run them, all categories of a layer in one call."""
        for _ in range(self._repeats):
            for inputs, weight, product in self._layers:
                torch.bmm(inputs, weight, out=product)

    def one_by_one(self, _: Rows) -> None:
        """Run them, one call for each category."""
        for _ in range(self._repeats):
            for inputs, weight, product in self._layers:
                for index in range(len(inputs)):
                    torch.mm(inputs[index], weight[index], out=product[index])

    def grouped(self, _: Rows) -> None:
        """Run them as ONNX Runtime does fastest: grouped convolutions, each on what the one before gave."""
        for _ in range(self._repeats):
            self._session.run_with_iobinding(self._binding)

    def _bind(self, count: int) -> None:
        """Prepare the grouped convolutions: widths padded as in the artifact, nothing allocated in a run."""
        graph = Graph()
        product, padded = "rows", (-(-WIDTHS[0] // 16) * 16, *WIDTHS[1:])
        compared = CANDIDATES * CODEBOOK  # as many products as the candidates' of one row
        for width, following in itertools.pairwise(padded):
            product = graph.add("Conv", product, _weight(graph, width, following), group=CATEGORIES)
        linear = graph.add("Conv", "rows", _weight(graph, padded[0], LATENT), group=CATEGORIES)
        product = graph.add("Add", product, linear)
        graph.add("Conv", product, _weight(graph, LATENT, compared), group=CATEGORIES, output="products")
        ends = {
            "rows": (1, CATEGORIES * padded[0], 1, count),
            "products": (1, CATEGORIES * compared, 1, count),
        }
        declared = [
            helper.make_tensor_value_info(end, TensorProto.FLOAT, shape) for end, shape in ends.items()
        ]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.build("products", declared[:1], declared[1:]), options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        values = [
            onnxruntime.OrtValue.ortvalue_from_numpy(np.ones(shape, np.float32)) for shape in ends.values()
        ]
        self._binding.bind_ortvalue_input("rows", values[0])
        self._binding.bind_ortvalue_output("products", values[1])


def _weight(graph: Graph, width: int, following: int) -> str:
    shape = (CATEGORIES * following, width, 1, 1)
    return graph.constant(np.random.default_rng(0).random(shape, np.float32))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each engine in each round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="catvq-bench-") as name:
        model = BenchmarkModel.make()
        model.save(Path(name) / "model")
        engines = make_engines(model, Path(name) / "model")
        check(engines, draw_rows(4096, 5))
        print_table(engines, arguments.rounds, arguments.seconds)


def make_engines(model: BenchmarkModel, directory: Path) -> dict[str, Engine]:
    """Everything that encodes rows."""
    encoder = Encoder(lambda: directory, threads=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        directory / "encoder.onnx", options, providers=["CPUExecutionProvider"]
    )
    return {
        "torch eager, one module per category": EagerModel(model),
        "torch eager, packed": model.encode,
        "ONNX Runtime, the artifact in one run": lambda rows: session.run(["codes"], {"rows": rows})[0],
        OURS: lambda rows: encoder.encode(rows, with_doubt=False).codes,
        "catvq, codes and doubt": lambda rows: encoder.encode(rows, with_doubt=True).codes,
    }


def check(engines: dict[str, Engine], rows: Rows) -> None:
    """Stop where an engine gives other codes than ours; a few near-ties may differ."""
    expected = np.asarray(engines[OURS](rows))
    for name, engine in engines.items():
        differing = np.count_nonzero(np.asarray(engine(rows)) != expected)
        print(f"{name}: {differing} of {expected.size} codes differ")
        if differing > expected.size / 10_000:
            raise SystemExit(f"{name} encodes something else")


def print_table(engines: dict[str, Engine], rounds: int, seconds: float) -> None:
    """Measure in interleaved rounds; a ratio is the median over rounds of that of one round."""
    rates: dict[str, dict[int, float]] = {name: {} for name in (*engines, *PRODUCTS)}
    ratios: dict[str, dict[int, float]] = {name: {} for name in rates}
    for count in ROWS:
        rows = draw_rows(count, 7)
        floors = [Floor(count, rows_at_once=at_once) for at_once in (count, 256, 128)]
        ways = (
            [way for floor in floors for way in (floor.batched, floor.one_by_one)],
            [floor.grouped for floor in floors],
        )
        products = {
            name: max(found, key=lambda run: rate_of(run, rows, 4 * seconds))
            for name, found in zip(PRODUCTS, ways, strict=True)
        }
        seen: dict[str, list[float]] = {name: [] for name in rates}
        for _ in range(rounds):
            for name, engine in (products | engines).items():
                seen[name].append(rate_of(engine, rows, seconds))
        floor = np.max([seen[name] for name in PRODUCTS], axis=0)
        for name, values in seen.items():
            rates[name][count] = statistics.median(values)
            ratios[name][count] = float(np.median(values / floor))
    print(
        f"\n| engine, rows/s (of the products) | {' | '.join(map(str, ROWS))} |\n|{'---|' * (1 + len(ROWS))}"
    )
    for name in rates:
        cells = (f"{rates[name][count]:,.0f} ({ratios[name][count]:.2f})" for count in ROWS)
        print(f"| {name} | {' | '.join(cells)} |")
    for count, target in TARGETS.items():
        verdict = "reached" if ratios[OURS][count] >= target else "missed"
        print(f"{count} rows: {ratios[OURS][count]:.2f} of the products, {target:.2f} wanted: {verdict}")


def rate_of(engine: Engine, rows: Rows, seconds: float) -> float:
    """Rows a second, by as many calls as fit."""
    engine(rows)
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        engine(rows)
        calls += 1
    return calls * len(rows) / elapsed


if __name__ == "__main__":
    main()
