import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import CleaningSettings
from catvq.frozen.onnx_export import decoder_graph, doubt_graph, encoder_graph
from catvq.frozen.weights import FrozenWeights
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from catvq.onnx_builder import IR_VERSION, OPSET


def run(content, **inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


@pytest.fixture(scope="module")
def digits():
    """Handwritten digits with their constant and skewed features, some cells missing, one mirrored."""
    values = load_digits().data[:400].astype(np.float32)
    values[:, 63] = 3 - 2 * values[:, 20]
    values[np.random.default_rng(0).random(values.shape) < 0.02] = np.nan
    return values


@pytest.fixture(scope="module")
def cleaner(digits):
    return FeatureCleaner.fit(digits, CleaningSettings(correlation_threshold=0.85))


@pytest.fixture(scope="module")
def weights(cleaner):
    torch.manual_seed(0)
    categories, levels = 4, 3
    model = CategoricalVQVAE(
        ModelShape(
            num_features=len(cleaner.active),
            num_categories=categories,
            levels=levels,
            codebook_sizes=(8, 16, 5, 8, 2, 32, 8, 16, 7, 3, 3, 3),
            latent_dims=(2, 5, 3, 2, 4, 1, 2, 5, 7, 1, 1, 1),
            embedding_dim=16,
            hidden_dim=24,
            dropout=0.1,
        )
    )
    grouping = torch.arange(len(cleaner.active)) % 3  # the fourth category is empty
    return FrozenWeights.pack(model, HardRouting.from_grouping(grouping, categories))


@pytest.fixture(scope="module")
def encoder(weights, cleaner):
    return encoder_graph(weights, cleaner, {"key": "a value"})


@pytest.fixture(scope="module")
def decoder(weights, cleaner):
    return decoder_graph(weights, cleaner)


@pytest.fixture(scope="module")
def doubt(weights, cleaner):
    return doubt_graph(weights, cleaner, {"key": "another value"})


def test_the_table_holds_what_the_graphs_must_undo(cleaner):
    statuses = [cleaner.status(feature) for feature in range(64)]

    assert {"kept", "constant", "duplicate"} == set(statuses)
    assert (cleaner.slope < 0).any()


def test_the_graph_normalises_with_the_cleaners_bits(encoder, cleaner, digits):
    assert np.array_equal(
        run(encoder, rows=digits)["normalized"][:, cleaner.active], cleaner.normalize(digits)
    )


def test_the_graph_gives_the_cores_codes_of_real_rows_with_missing_values(encoder, weights, cleaner, digits):
    codes = run(encoder, rows=digits)["codes"]

    assert np.isnan(digits).any()
    assert codes.dtype == np.int64
    assert np.array_equal(codes, weights.encode(torch.from_numpy(cleaner.normalize(digits))).numpy())


@pytest.mark.parametrize("extreme", [-1e30, 1e30])
def test_a_missing_value_changes_nothing_for_the_other_rows(encoder, cleaner, extreme):
    rows = np.full((3, 64), extreme, dtype=np.float32)
    rows[2, 5] = np.nan

    assert np.array_equal(run(encoder, rows=rows)["normalized"][:, cleaner.active], cleaner.normalize(rows))


@pytest.mark.parametrize("number", [np.nan, 0.0, -0.0, 1e30, -1e30, 3.4e38, 1e-40])
def test_a_row_of_any_one_number_has_the_cores_codes(encoder, weights, cleaner, number):
    rows = np.full((1, 64), number, dtype=np.float32)

    result = run(encoder, rows=rows)

    assert np.isfinite(result["normalized"]).all()
    assert np.array_equal(result["normalized"][:, cleaner.active], cleaner.normalize(rows))
    assert np.array_equal(result["codes"], weights.encode(torch.from_numpy(cleaner.normalize(rows))).numpy())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_total_is_finite_only_when_every_value_is(encoder, digits, value):
    rows = np.nan_to_num(digits)
    assert run(encoder, rows=rows)["total"] == pytest.approx(rows.sum(dtype=np.float64), rel=1e-5)
    rows[399, 63] = value

    assert not np.isfinite(run(encoder, rows=rows)["total"])


def test_the_decoder_gives_the_cores_features_in_raw_units(encoder, decoder, weights, cleaner, digits):
    codes = run(encoder, rows=digits)["codes"]

    rows = run(decoder, codes=codes)["rows"]

    expected = cleaner.restore(weights.decode(torch.from_numpy(codes)).numpy())
    assert np.allclose(rows, expected, rtol=1e-5, atol=1e-4)
    assert (rows.shape, rows.dtype) == ((400, 64), np.float32)


def test_the_decoder_takes_codes_without_the_finer_levels(encoder, decoder, weights, cleaner, digits):
    codes = weights.coarse(torch.from_numpy(run(encoder, rows=digits)["codes"]), 1)
    assert (codes == -1).any()

    rows = run(decoder, codes=codes.numpy())["rows"]

    expected = cleaner.restore(weights.decode(codes).numpy())
    assert np.allclose(rows, expected, rtol=1e-5, atol=1e-4)


def test_the_doubt_is_the_cores_error_and_distance(encoder, doubt, weights, cleaner, digits):
    encoded = run(encoder, rows=digits)

    result = run(doubt, **{name: encoded[name] for name in ("codes", "normalized", "latents", "present")})

    features = torch.from_numpy(cleaner.normalize(digits))
    codes = torch.from_numpy(encoded["codes"])
    is_there = torch.from_numpy(cleaner.present(digits))
    squares = (weights.decode(codes) - features).square()
    error = (squares * is_there).sum(dim=1) / is_there.sum(dim=1)
    gap = weights.latents(features) - weights.quantized(codes).transpose(0, 1)
    assert np.allclose(result["reconstruction_error"], error.numpy(), rtol=1e-5)
    assert np.allclose(result["distance"], gap.square().sum(dim=2).mean(dim=0).numpy(), rtol=1e-4)
    assert np.array_equal(encoded["present"], is_there.numpy())


def test_the_doubt_of_rows_without_missing_values_needs_no_word_about_them(encoder, doubt, digits):
    encoded = run(encoder, rows=np.nan_to_num(digits))
    given = {name: encoded[name] for name in ("codes", "normalized", "latents")}

    assert np.allclose(
        run(doubt, **given)["reconstruction_error"],
        run(doubt, **given, present=encoded["present"])["reconstruction_error"],
        rtol=1e-6,
    )


def test_the_error_of_a_row_without_any_value_is_none(encoder, doubt):
    encoded = run(encoder, rows=np.full((1, 64), np.nan, np.float32))
    encoded.pop("total")

    assert np.isnan(run(doubt, **encoded)["reconstruction_error"]).all()


def test_every_code_of_every_token_can_be_decoded(decoder, weights, cleaner):
    sizes = (~weights.code_squares.isinf()).sum(dim=1).tolist()
    base = np.zeros((1, len(sizes)), dtype=np.int64)
    for token, size in enumerate(sizes):
        codes = np.repeat(base, size, axis=0)
        codes[:, token] = np.arange(size)
        expected = cleaner.restore(weights.decode(torch.from_numpy(codes)).numpy())

        assert np.allclose(run(decoder, codes=codes)["rows"], expected, rtol=1e-5, atol=1e-4)


def test_a_row_alone_has_the_codes_it_has_among_others(encoder, digits):
    together = run(encoder, rows=digits)["codes"]

    for row in range(0, 400, 37):
        assert np.array_equal(run(encoder, rows=digits[row : row + 1])["codes"][0], together[row])


def test_the_files_say_what_they_are(encoder, decoder, doubt):
    encoded = ["codes", "normalized", "latents", "present"]
    for content, inputs, outputs in (
        (encoder, ["rows"], [*encoded, "total"]),
        (decoder, ["codes"], ["rows"]),
        (doubt, encoded, ["reconstruction_error", "distance"]),
    ):
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        assert [value.name for value in model.graph.input] == inputs
        assert [value.name for value in model.graph.output] == outputs
        assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    assert {p.key: p.value for p in onnx.load_from_string(encoder).metadata_props} == {"key": "a value"}


def test_exporting_twice_gives_the_same_bytes(encoder, decoder, doubt, weights, cleaner):
    assert doubt_graph(weights, cleaner, {"key": "another value"}) == doubt
    assert encoder_graph(weights, cleaner, {"key": "a value"}) == encoder
    assert decoder_graph(weights, cleaner) == decoder


def test_one_feature_one_category_and_one_level_can_be_exported():
    values = np.linspace(-1, 1, 20, dtype=np.float32).reshape(-1, 1)
    cleaner = FeatureCleaner.fit(values, CleaningSettings())
    shape = ModelShape(
        num_features=1,
        num_categories=1,
        levels=1,
        codebook_sizes=(2,),
        latent_dims=(1,),
        embedding_dim=1,
        hidden_dim=1,
        dropout=0.0,
    )
    grouping = HardRouting.from_grouping(torch.zeros(1, dtype=torch.int64), 1)
    weights = FrozenWeights.pack(CategoricalVQVAE(shape), grouping)

    codes = run(encoder_graph(weights, cleaner, {}), rows=values)["codes"]

    assert np.array_equal(codes, weights.encode(torch.from_numpy(cleaner.normalize(values))).numpy())
    assert run(decoder_graph(weights, cleaner), codes=codes)["rows"].shape == (20, 1)
