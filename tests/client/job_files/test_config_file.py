import pytest
from catvq_client.errors import ConfigFileError
from catvq_client.job_files.config_file import read_config_file


def read(tmp_path, text, name="run.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return read_config_file(path)


def test_the_apis_names_are_passed_on_as_they_are(tmp_path):
    run = read(tmp_path, "name: digits\nmodel: {levels: 2}\ntraining: {epochs: 7, unheard_of: 1}\n")
    assert run.job == {
        "name": "digits",
        "model": {"levels": 2},
        "training": {"epochs": 7, "unheard_of": 1},  # the service refuses it by its name
    }
    assert run.ignored_keys == ()


def test_the_dataset_and_its_file_do_not_become_part_of_the_job(tmp_path):
    run = read(tmp_path, "dataset_path: a/b.csv\nfamilies: 'prefix:_'\n")
    assert run.job == {}
    assert str(run.dataset_path) == "a/b.csv"
    assert run.families == "prefix:_"
    assert read(tmp_path, "dataset: ds_1\n").dataset == "ds_1"


def test_a_list_of_families_picks_arrays_and_a_mapping_describes_a_flat_table(tmp_path):
    listed = read(tmp_path, "dataset_path: a.npz\nfamilies: [pixels, moments]\n")
    assert (listed.family_names, listed.families) == (("pixels", "moments"), None)
    mapped = read(tmp_path, "dataset_path: a.csv\nfamilies: {pixels: [p0, p1]}\n")
    assert (mapped.family_names, mapped.families) == ((), {"pixels": ["p0", "p1"]})


def test_json_is_read_like_yaml(tmp_path):
    text = '{"training": {"epochs": 3}}'
    assert read(tmp_path, text, "run.json") == read(tmp_path, text, "run.yaml")


@pytest.mark.parametrize("text", ["1e-8", "1E-8", "+1e-8", "1.e-8", "0.1e-7", ".1e-7"])
def test_numbers_with_an_exponent_are_numbers(tmp_path, text):
    run = read(tmp_path, f"cleaning: {{variance_threshold: {text}}}")
    assert run.job["cleaning"]["variance_threshold"] == pytest.approx(1e-8)


@pytest.mark.parametrize("text", ["e8", "1e", "run1e8"])
def test_words_that_look_like_exponents_stay_words(tmp_path, text):
    assert read(tmp_path, f"name: {text}").job["name"] == text


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("run.yaml", "training: {epochs: 1}\ntraining: {epochs: 2}\n", "duplicate key 'training'"),
        ("run.json", '{"seed": 1, "seed": 2}', "duplicate key 'seed'"),
        ("run.yaml", "- 1\n", "expected a mapping"),
        ("run.yaml", "", "expected a mapping"),
        ("run.yaml", "a: [1\n", "run.yaml"),
        ("run.json", "{", "run.json"),
        ("run.yaml", "name: 2024-01-01\n", "cannot be written as JSON"),
        ("run.yaml", "training: {learning_rate: .nan}\n", "cannot be written as JSON"),
        ("run.yaml", "learnable_assignment: 3\n", "learnable_assignment: expected a mapping"),
        ("run.yaml", "dataset_path: [1]\n", "dataset_path: expected a path"),
        ("run.yaml", "name: !!python/object:os.system x\n", "could not determine a constructor"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path, name, text, needle):
    with pytest.raises(ConfigFileError) as refusal:
        read(tmp_path, text, name)
    assert needle in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigFileError, match=r"absent\.yaml: no such file"):
        read_config_file(tmp_path / "absent.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigFileError, match="cannot be read"):
        read_config_file(path)
