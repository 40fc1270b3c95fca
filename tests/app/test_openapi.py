"""The description of a job's body accepts and refuses what the service does."""

import jsonschema_rs
import pytest
from pydantic import ValidationError

from app.main import create_app
from app.settings import ApiSettings
from worker.contract.job_config import JobRequest


@pytest.fixture(scope="module")
def described():
    document = create_app(ApiSettings()).openapi()
    schema = {"$ref": "#/components/schemas/JobRequest", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def is_accepted(body):
    try:
        JobRequest.model_validate(body)
    except ValidationError:
        return False
    return True


GROUPS = {"a": ["x"]}
ACCEPTED = [
    {},
    {"assignment": {"init": "user", "groups": GROUPS}},
    {"assignment": {"init": "model", "model": "model_1"}},
    {"assignment": {"init": "random", "groups": None, "model": None}},
    {"assignment": {"estimator": "mirror", "temperature_start": 1.0}},
    {"assignment": {"estimator": "softmax", "temperature_schedule": "linear"}},
    {"assignment": {"estimator": "mirror", "temperature_schedule": "adaptive"}},
    {"model": {"compression_ratios": [0.5, 1.0, 1.5]}},
    {"model": {"levels": 1, "compression_ratios": [0.5]}},
    {"model": {"levels": 2, "compression_ratios": None}},
    {"model": {"levels": [{"codebook_size": 64}, {"latent_dim": 4}], "compression_ratios": [1.0, 0.5]}},
    {"model": {"categories": {"pixels": 3}}},
    {"labels": {"team": "x"}},
]
REFUSED = [
    {"unknown": 1},
    {"assignment": {"groups": GROUPS}},
    {"assignment": {"init": "user"}},
    {"assignment": {"init": "user", "groups": None}},
    {"assignment": {"init": "user", "groups": GROUPS, "model": "model_1"}},
    {"assignment": {"init": "model"}},
    {"assignment": {"model": "model_1"}},
    {"assignment": {"init": "user", "groups": {"\n": ["x"]}}},
    {"assignment": {"estimator": "softmax", "temperature_schedule": "adaptive"}},
    {"model": {"compression_ratios": [0.5]}},
    {"model": {"levels": 2, "compression_ratios": [0.5, 1.0, 1.5]}},
    {"model": {"levels": [{}, {}], "compression_ratios": [0.5]}},
    {"model": {"levels": [{"codebook_size": 1}]}},
    {"model": {"categories": {"\x00": 3}}},
    {"labels": {"\x7f": "x"}},
    {"training": {"epochs": 0}},
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_what_the_service_accepts_is_described(described, body):
    assert is_accepted({"dataset": "ds_1"} | body)
    assert described.is_valid({"dataset": "ds_1"} | body)


@pytest.mark.parametrize("body", REFUSED)
def test_what_the_service_refuses_is_not_described(described, body):
    assert not is_accepted({"dataset": "ds_1"} | body)
    assert not described.is_valid({"dataset": "ds_1"} | body)


def test_operations_have_names_that_generated_clients_can_use():
    paths = create_app(ApiSettings()).openapi()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"list_jobs", "create_dataset", "infer", "infer_of_version"} <= set(names)
    in_paths = [p["schema"] for o in operations for p in o.get("parameters", []) if p["in"] == "path"]
    assert all(schema["type"] == "string" for schema in in_paths)


def schemas_of(part):
    """Every object below a part of the document."""
    if isinstance(part, dict):
        yield part
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from schemas_of(below)


def test_programs_can_write_clients_from_the_document():
    # Each of these made openapi-python-client lose operations, or write such as could not be called.
    document = create_app(ApiSettings()).openapi()
    for name, schema in document["components"]["schemas"].items():
        choices = schemas_of(schema.get("anyOf", []))
        assert all("items" in choice for choice in choices if choice.get("type") == "array"), name
    for schema in schemas_of(document):
        assert schema.get("type") != "string" or "const" not in schema
        if schema.get("contentMediaType") == "application/octet-stream":
            assert schema["format"] == "binary"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    assert parameter["required"], path
                    assert "anyOf" not in parameter["schema"], path
