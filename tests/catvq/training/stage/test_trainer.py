import math

import pytest
import torch

from catvq.model.assignment import ESTIMATORS, CategoryAssignment
from catvq.model.losses import LOSS_NAMES
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from catvq.state.checkpoint import Checkpoint
from catvq.training.stage.alternation import Learning
from catvq.training.stage.trainer import FINAL_RATE, Learner, rate_factor

ROWS, FEATURES, CATEGORIES = 16, 6, 2


@pytest.fixture
def build(make_config):
    def make(*, update="ema", assignment=None, training=None, model=None):
        torch.manual_seed(0)
        config = make_config(
            model={"codebook_update": update, "informativeness_weight": 0.1, **(model or {})},
            assignment=assignment,
            training=training,
        )
        shape = ModelShape(
            num_features=FEATURES,
            num_categories=CATEGORIES,
            levels=2,
            codebook_sizes=(4,) * 4,
            latent_dims=(2, 3, 2, 3),
            embedding_dim=4,
            hidden_dim=5,
            dropout=0.2,
            codebook_update=update,
        )
        estimator = config.assignment.resolved_estimator()
        return Learner(
            CategoricalVQVAE(shape),
            CategoryAssignment(
                torch.randn(FEATURES, CATEGORIES), estimator="softmax" if estimator == "mirror" else estimator
            ),
            family_one_hot=torch.eye(2).repeat(3, 1),
            config=config,
            device=torch.device("cpu"),
        )

    return make


def parameters_of(optimizer):
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_every_parameter_is_in_exactly_one_optimiser_and_no_buffer_in_any(build, update):
    learner = build(update=update)
    model, assignment = parameters_of(learner._model_optimizer), parameters_of(learner._assignment_optimizer)
    ids = [id(parameter) for parameter in model + assignment]
    codes = learner.model.codebooks.codes

    assert len(set(ids)) == len(ids)
    assert set(ids) == {id(p) for module in (learner.model, learner.assignment) for p in module.parameters()}
    assert [id(parameter) for parameter in assignment] == [id(learner.assignment.logits)]
    assert (id(codes) in ids) == (update == "gradient")
    assert ids.count(id(codes)) == (update == "gradient")


def test_a_step_moves_the_model_and_the_logits_and_returns_every_term(build):
    learner = build()
    before = [p.detach().clone() for p in learner.model.parameters()], learner.assignment.logits.clone()

    terms = learner.step(torch.randn(ROWS, FEATURES), progress=0.0)

    assert terms.shape == (len(LOSS_NAMES),)
    assert terms.isfinite().all()
    assert all(not torch.equal(p, old) for p, old in zip(learner.model.parameters(), before[0], strict=True))
    assert not torch.equal(learner.assignment.logits, before[1])


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_while_one_learns_the_other_rests_to_the_last_code(build, update):
    learner, features = build(update=update), torch.randn(ROWS, FEATURES)

    def moved_by(learning):
        tensors = dict(learner.model.named_parameters()) | {"codes": learner.model.codebooks.codes}
        before = {name: value.detach().clone() for name, value in tensors.items()}
        logits, used = learner.assignment.logits.detach().clone(), learner.model.codebooks.usage_counts.sum()
        learner.step(features, progress=0.0, learning=learning)
        assert learner.model.codebooks.usage_counts.sum() == used + 4 * ROWS
        changed = {name for name, value in tensors.items() if not torch.equal(value, before[name])}
        return changed, not torch.equal(learner.assignment.logits, logits)

    assert moved_by(Learning.ASSIGNMENT) == (set(), True)
    assert moved_by(Learning.MODEL)[1] is False
    assert "codes" in moved_by(Learning.MODEL)[0]
    assert moved_by(Learning.BOTH)[1] is True


def test_once_hardened_the_logits_rest_and_their_terms_are_zero(build):
    learner = build(assignment={"family_constraint_weight": 1.0})
    learner.step(torch.randn(ROWS, FEATURES), progress=0.0)
    learner.harden()
    before = learner.assignment.logits.detach().clone()

    terms = dict(
        zip(LOSS_NAMES, learner.step(torch.randn(ROWS, FEATURES), progress=0.5).tolist(), strict=True)
    )

    assert torch.equal(learner.assignment.logits, before)
    assert all(terms[name] == 0 for name in LOSS_NAMES if name.startswith("assignment"))


def test_both_rates_are_the_configured_ones(build):
    """Adam's first step moves every entry by its rate, whatever the gradient."""
    learner = build(
        assignment={"assignment_lr": 0.5}, training={"learning_rate": 0.01, "gradient_clip_norm": None}
    )
    bias, logits = learner.model.decoder.output.bias, learner.assignment.logits
    before = bias.detach().clone(), logits.detach().clone()

    learner.step(torch.randn(ROWS, FEATURES), progress=0.0)

    assert (bias - before[0]).abs().tolist() == pytest.approx([0.01] * FEATURES, rel=1e-3)
    assert (logits - before[1]).abs().flatten().tolist() == pytest.approx([0.5] * 12, rel=1e-2)


def test_the_rate_is_whole_in_the_first_half_and_falls_to_its_end():
    assert rate_factor(0.0) == rate_factor(0.5) == 1.0
    assert rate_factor(0.75) == pytest.approx((1 + FINAL_RATE) / 2)
    assert rate_factor(1.0) == pytest.approx(FINAL_RATE)


def test_model_and_logits_are_clipped_each_on_its_own(build):
    learner = build(training={"gradient_clip_norm": 0.001})

    learner.step(100 * torch.randn(ROWS, FEATURES), progress=0.0)

    for module in (learner.model, learner.assignment):
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in module.parameters()))
        assert norm == pytest.approx(0.001, rel=1e-3)


def test_without_a_clip_norm_gradients_stay_as_they_are(build):
    learner = build(training={"gradient_clip_norm": None})

    learner.step(100 * torch.randn(ROWS, FEATURES), progress=0.0)

    assert sum(p.grad.square().sum().item() for p in learner.model.parameters()) > 100


def test_an_unused_code_does_not_move_in_training(build):
    learner = build()
    codes = learner.model.codebooks.codes
    codes[:, 3] = 1e3 * learner.model.codebooks.latent_mask
    learner.model.codebooks.ema_sums.copy_(codes * learner.model.codebooks.ema_shares.unsqueeze(2))
    before = codes[:, 3].clone()

    for _ in range(50):
        learner.step(torch.randn(ROWS, FEATURES), progress=0.0)

    assert torch.equal(codes[:, 3], before)
    assert not torch.equal(codes[:, :3], before.unsqueeze(1).expand(-1, 3, -1))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_evaluation_is_free_of_noise_and_dropout_and_draws_no_random_number(build, estimator):
    learner = build(assignment={"estimator": estimator})
    features = torch.randn(ROWS, FEATURES)
    learner.step(features, progress=0.0)
    state = torch.get_rng_state()

    errors = {learner.reconstruction_error(features) for _ in range(3)}

    assert len(errors) == 1
    assert torch.equal(torch.get_rng_state(), state)


def test_dead_codes_are_revived_where_latents_without_dropout_want_them(build):
    learner = build()
    features = torch.randn(3, FEATURES)
    codebooks = learner.model.codebooks
    codebooks.codes.fill_(50.0).mul_(codebooks.latent_mask.unsqueeze(1))
    latents = learner.model.eval().latents(features, learner.routing())
    wanted = codebooks.targets(latents, codebooks.lookup(codebooks.nearest(latents)))

    moved = learner.revive_dead_codes(features)

    assert moved.tolist() == [4] * 4
    assert torch.allclose(torch.cdist(codebooks.codes, wanted).amin(dim=2), torch.zeros(4, 4), atol=1e-3)


def test_a_model_that_starts_anew_leaves_the_learners_alone_until_it_is_adopted(build):
    learner, features = build(), torch.randn(200, FEATURES)
    learner.step(features, progress=0.0)
    before = learner.reconstruction_error(features)

    start = learner.started_anew(features)

    assert learner.reconstruction_error(features) == before
    error = learner.reconstruction_error(features, model=start)
    assert error < before
    learner.adopt(start.state_dict())
    assert learner.reconstruction_error(features) == error
    assert learner._model_optimizer.state == {}


def test_the_reconstruction_error_does_not_depend_on_how_rows_are_chunked(build, monkeypatch):
    learner = build()
    features = torch.randn(100, FEATURES)
    whole = learner.reconstruction_error(features)

    monkeypatch.setattr("catvq.training.stage.trainer.EVALUATION_ROWS", 7)

    assert learner.reconstruction_error(features) == pytest.approx(whole, rel=1e-6)


def test_the_hard_error_is_the_error_after_hardening(build):
    learner = build()
    features = torch.randn(400, FEATURES)
    soft, hard = learner.reconstruction_error(features), learner.reconstruction_error(features, hard=True)

    learner.harden()

    assert soft != hard
    assert learner.reconstruction_error(features) == hard


@pytest.mark.parametrize("hardened", [False, True])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_restored_learner_goes_on_bit_for_bit(build, update, hardened):
    batches = torch.randn(6, ROWS, FEATURES)
    learner = build(update=update, assignment={"estimator": "gumbel"})

    def steps(one, some):
        with one.randomness.scope():
            return [one.step(batch, progress=0.1) for batch in some]

    steps(learner, batches[:3])
    if hardened:
        learner.harden()
    tensors = {}
    learner.save_into(tensors)
    saved = {name: value.clone() for name, value in tensors.items()}
    restored = build(update=update, assignment={"estimator": "gumbel"}, training={"seed": 9})
    restored.restore_from(Checkpoint(saved, {}), hardened=hardened)

    expected, got = steps(learner, batches[3:]), steps(restored, batches[3:])

    assert all(torch.equal(one, other) for one, other in zip(expected, got, strict=True))
    for name, value in learner.model.state_dict().items():
        assert torch.equal(restored.model.state_dict()[name], value)
    assert torch.equal(restored.assignment.logits, learner.assignment.logits)
    assert (restored.hard_routing is not None) == hardened
