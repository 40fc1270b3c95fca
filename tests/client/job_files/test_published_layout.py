import pytest
from catvq_client.job_files.published_keys import CHOICES, FIXED, REFUSED, RENAMED
from catvq_client.job_files.published_layout import SPECIAL, is_published_layout, translate
from hypothesis import given
from hypothesis import strategies as st

from catvq.config import RunConfig
from worker.contract.job_config import JobRequest

# Values that differ from the contract's defaults, so that a key that goes nowhere would be seen.
RENAMED_VALUES = {
    "random_seed": 43,
    "model.group_embedding_dim": 512,
    "model.group_hidden_dim": 1024,
    "model.commitment_cost": 0.5,
    "model.ema_decay": 0.9,
    "model.decay": 0.8,
    "model.dropout": 0.2,
    "model.orthogonality_weight": 0.35,
    "model.informativeness_weight": 0.45,
    "training.num_epochs": 500,
    "training.num_categories_auto": 7,
    "training.per_family_clustering": True,
    "training.batch_size": 512,
    "training.learning_rate": 0.01,
    "training.device": "cpu",
    "training.gradient_clip_norm": 2.0,
    "training.orthogonality_weight": 0.3,
    "training.informativeness_weight": 0.4,
    "training.early_stopping_min_delta": 0.001,
    "training.topo_weight": 0.05,
    "training.topo_samples": 32,
    "learnable_assignment.temperature_start": 2.0,
    "learnable_assignment.temperature_end": 0.2,
    "learnable_assignment.temperature_schedule": "cosine",
    "learnable_assignment.orthogonality_weight": 0.6,
    "learnable_assignment.balance_weight": 0.7,
    "learnable_assignment.family_constraint_weight": 0.8,
    "learnable_assignment.assignment_lr": 0.02,
    "learnable_assignment.freeze_after_epochs": 9,
    "category_assignment_config.per_family": True,
    "category_assignment_config.per_family_clustering": True,
    "feature_cleaning.enabled": False,
    "feature_cleaning.variance_threshold": 1e-6,
    "feature_cleaning.correlation_threshold": 0.95,
    "feature_cleaning.deduplicate_threshold": 0.9,
}


def document_with(key, value):
    section, _, name = key.rpartition(".")
    return {section: {name: value}} if section else {name: value}


def flat(job):
    return {f"{section}.{name}": value for section, fields in job.items() for name, value in fields.items()}


def translated(document):
    return translate({"random_seed": None, **document})


def test_every_renamed_key_is_tried_here():
    assert set(RENAMED_VALUES) == set(RENAMED)


@pytest.mark.parametrize(("key", "value"), RENAMED_VALUES.items())
def test_a_renamed_key_sets_one_field_that_the_service_accepts(key, value):
    run = translated(document_with(key, value))
    assert run.ignored_keys == ()
    added = {target: v for target, v in flat(run.job).items() if target != "assignment.mode"}
    assert added == {RENAMED[key]: value}
    request = JobRequest.model_validate({**run.job, "dataset": "ds_1"})
    section, name = RENAMED[key].split(".")
    assert getattr(getattr(request, section), name) == value
    assert RunConfig().to_dict()[section][name] != value


@pytest.mark.parametrize(
    ("key", "value", "target"),
    [
        (key, value, (target, meaning))
        for key, (target, meanings) in CHOICES.items()
        for value, meaning in meanings.items()
    ],
)
def test_a_choice_becomes_the_services_word_for_it(key, value, target):
    run = translated(document_with(key, value))
    assert flat(run.job)[target[0]] == target[1]
    assert run.ignored_keys == ()
    JobRequest.model_validate({**run.job, "dataset": "ds_1"})


@pytest.mark.parametrize("key", CHOICES)
@pytest.mark.parametrize("value", ["manual", 7, ["median"], {"a": 1}])
def test_an_unknown_choice_is_named_with_those_that_are_known(key, value):
    (item,) = translated(document_with(key, value)).ignored_keys
    assert (item.key, item.value) == (key, value)
    assert item.reason.startswith("supported values: ")


@pytest.mark.parametrize(("key", "accepted", "other"), [(k, v[0], not v[0]) for k, v in FIXED.items()])
def test_what_the_service_always_does_is_named_only_when_the_file_wants_otherwise(key, accepted, other):
    assert translated(document_with(key, accepted)).ignored_keys == ()
    assert [item.key for item in translated(document_with(key, other)).ignored_keys] == [key]


@pytest.mark.parametrize("key", REFUSED)
def test_what_the_service_cannot_do_is_named_with_its_reason(key):
    (item,) = translated(document_with(key, 5)).ignored_keys
    assert str(item) == f"{key} = 5: {REFUSED[key]}"


@given(
    st.sampled_from(["", "model.", "training.", "learnable_assignment.", "feature_cleaning.", "logging."]),
    st.from_regex(r"[a-z]{3,12}", fullmatch=True),
    st.integers() | st.text() | st.lists(st.integers()) | st.booleans(),
)
def test_a_key_is_either_carried_over_or_named_never_dropped(section, name, value):
    known = {*RENAMED, *CHOICES, *FIXED, *REFUSED, *SPECIAL, "dataset_path", "logging.verbose"}
    key = section + name
    sections = {each.split(".")[0] for each in known}
    if key in known or key in sections:
        return
    assert [item.key for item in translated(document_with(key, value)).ignored_keys] == [key]


def test_null_means_not_said_except_where_it_switches_off():
    run = translated(
        {
            "model": {"group_embedding_dim": None, "use_ema": None},
            "training": {
                "gradient_clip_norm": None,
                "early_stopping_patience": None,
                "val_every_n_epochs": None,
            },
            "learnable_assignment": {"freeze_after_epochs": None, "temperature_start": None},
            "feature_cleaning": None,
        }
    )
    assert run.job == {
        "assignment": {"mode": "static", "freeze_after_epochs": None},
        "training": {"gradient_clip_norm": None},
    }
    assert run.ignored_keys == ()


def test_without_a_word_on_the_assignment_it_is_static():
    assert translated({"training": {"num_epochs": 1}}).job["assignment"]["mode"] == "static"
    assert (
        translated({"training": {"category_assignment": "learnable"}}).job["assignment"]["mode"]
        == "learnable"
    )


@pytest.mark.parametrize(
    ("given_ratios", "expected"),
    [
        ("0.5:1.0:1.5", {"latent_dim": "auto", "levels": 3, "compression_ratios": [0.5, 1.0, 1.5]}),
        ([0.5, 2], {"latent_dim": "auto", "levels": 2, "compression_ratios": [0.5, 2.0]}),
        ("auto", {"latent_dim": "auto"}),
        (None, {}),
    ],
)
def test_compression_ratios_say_the_number_of_levels_too(given_ratios, expected):
    run = translated({"model": {"compression_ratios": given_ratios}})
    assert run.job.get("model", {}) == expected
    JobRequest.model_validate({**run.job, "dataset": "ds_1"})


@pytest.mark.parametrize("ratios", ["a:b", {"initial": [1]}, 3])
def test_compression_ratios_of_another_form_are_named(ratios):
    assert [item.key for item in translated({"model": {"compression_ratios": ratios}}).ignored_keys] == [
        "model.compression_ratios"
    ]


def test_a_decoder_as_wide_as_the_encoder_needs_no_remark():
    same = {"model": {"group_hidden_dim": 8, "decoder_hidden_dim": 8}}
    wider = {"model": {"group_hidden_dim": 8, "decoder_hidden_dim": 9}}
    assert translated(same).ignored_keys == ()
    assert [item.key for item in translated(wider).ignored_keys] == ["model.decoder_hidden_dim"]


@pytest.mark.parametrize("interval", [0, None])
def test_dead_codes_may_be_left_dead(interval):
    run = translated({"training": {"dead_code_reset_interval": interval}})
    assert run.ignored_keys == ()
    assert run.job["training"] == {"dead_code_interval_epochs": 100_000}
    JobRequest.model_validate({**run.job, "dataset": "ds_1"})


def test_the_interval_of_revivals_is_carried_over():
    run = translated({"training": {"dead_code_reset_interval": 100}})
    assert run.job["training"] == {"dead_code_interval_epochs": 100}


def family_params(**limits):
    return translated({"category_assignment_config": {"per_family_params": limits}})


def test_exact_limits_for_every_family_become_numbers_of_categories():
    run = family_params(
        initial={"min_clusters": 2, "max_clusters": 2}, temporal={"min_clusters": 5, "max_clusters": 5}
    )
    assert run.job["model"]["categories"] == {"initial": 2, "temporal": 5}
    assert run.ignored_keys == ()


def test_ranges_wait_for_the_dataset():
    run = family_params(initial={"min_clusters": 2, "max_clusters": 5}, temporal={"max_clusters": 3})
    assert run.category_ranges == {"initial": (2, 5), "temporal": (1, 3)}
    assert run.ignored_keys == ()
    assert "model" not in run.job


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        ({"initial": 3}, "per_family_params.initial"),
        ({"initial": {"min_clusters": 3, "max_clusters": 2}}, "per_family_params.initial"),
        ({"initial": {"min_clusters": "few"}}, "per_family_params.initial"),
    ],
)
def test_limits_of_another_form_are_named(limits, key):
    run = family_params(**limits)
    assert [item.key for item in run.ignored_keys] == [f"category_assignment_config.{key}"]


@pytest.mark.parametrize(("patience", "stops"), [(200, True), (0, False)])
def test_a_patience_turns_early_stopping_on(patience, stops):
    run = translated({"training": {"early_stopping_patience": patience}})
    assert run.job["training"] == {"early_stopping": stops} | (
        {"early_stopping_patience": patience} if stops else {}
    )
    assert run.ignored_keys == ()


def test_sections_may_stand_within_the_training():
    inner = {
        "per_family_clustering": True,
        "per_family_params": {"a": {"min_clusters": 1, "max_clusters": 2}},
    }
    run = translated({"training": {"category_assignment_config": inner, "compression_ratios": "1:2"}})
    assert run.job["assignment"]["per_family"] is True
    assert run.category_ranges == {"a": (1, 2)}
    assert run.job["model"]["levels"] == 2


def test_levels_are_sizes_or_left_to_the_service():
    run = translated({"model": {"levels": [{"latent_dim": 8, "num_tokens": 16}, {"latent_dim": 4}]}})
    assert run.job["model"]["levels"] == [{"latent_dim": 8, "codebook_size": 16}, {"latent_dim": 4}]
    JobRequest.model_validate({**run.job, "dataset": "ds_1"})
    assert "model" not in translated({"model": {"levels": []}}).job
    assert [item.key for item in translated({"model": {"levels": ["x"]}}).ignored_keys] == ["model.levels"]


def test_single_families_are_kept_apart():
    run = translated({"category_assignment_config": {"isolated_families": ["initial"]}})
    assert run.job["assignment"] == {"mode": "static", "isolated_families": ["initial"]}
    assert run.ignored_keys == ()
    assert translated({"category_assignment_config": {"isolated_families": []}}).ignored_keys == ()


def test_what_is_read_of_the_file_is_no_part_of_the_job():
    run = translated({"max_samples": 100, "exclude_features": ["a*"], "trim": True, "families": {"a": {}}})
    assert (run.published.max_samples, run.published.exclude, run.published.trim) == (100, ("a*",), True)
    assert run.ignored_keys == ()


def test_other_settings_of_a_family_are_named():
    run = family_params(initial={"min_clusters": 2, "max_clusters": 2, "linkage": "ward"})
    assert [item.key for item in run.ignored_keys] == [
        "category_assignment_config.per_family_params.initial.linkage"
    ]


def test_families_pick_the_arrays_and_their_encoders_are_named():
    run = translated(
        {
            "dataset_path": "f.h5",
            "families": {
                "initial": {"encoder": "identity", "encoder_params": {}},
                "temporal": {"encoder": "Pyramid", "encoder_params": {"dims": [1]}},
                "summary": None,
            },
        }
    )
    assert run.family_names == ("initial", "temporal", "summary")
    assert str(run.dataset_path) == "f.h5"
    assert [item.key for item in run.ignored_keys] == [
        "families.temporal.encoder",
        "families.temporal.encoder_params",
    ]


def test_families_of_another_form_are_named():
    assert [item.key for item in translated({"families": ["a"]}).ignored_keys] == ["families"]


def test_verbose_logging_is_honoured():
    assert translated({"logging": {"verbose": True}}).is_verbose
    assert not translated({"logging": {"verbose": False}}).is_verbose


@pytest.mark.parametrize(
    "document",
    [
        {"random_seed": 1},
        {"training": {"num_epochs": 3}},
        {"model": {"group_hidden_dim": 3}},
        {"families": {"initial": {"encoder": "identity"}}},
        {"learnable_assignment": {}},
    ],
)
def test_one_key_of_the_published_layout_is_enough_to_recognise_it(document):
    assert is_published_layout(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"training": {"batch_size": 8, "device": "cpu", "gradient_clip_norm": 1.0}},
        {"model": {"dropout": 0.1, "compression_ratios": [1.0], "levels": 1}},
        {"dataset_path": "a.csv", "families": {"pixels": ["p0"]}},
        {"assignment": {"orthogonality_weight": 0.1, "mode": "learnable"}},
    ],
)
def test_the_apis_names_are_not_taken_for_the_published_layout(document):
    assert not is_published_layout(document)


def test_every_field_of_the_contract_alone_is_read_as_the_apis_name():
    for section, settings in RunConfig().to_dict().items():
        for name, value in settings.items():
            assert not is_published_layout({section: {name: value}}), f"{section}.{name}"
