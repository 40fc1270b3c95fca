from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.contract.settings import Bucket, ServiceSettings


def test_files_are_in_the_data_directory_by_default(tmp_path):
    assert ServiceSettings(data_dir=tmp_path).storage_location == tmp_path


@pytest.mark.parametrize(
    ("url", "endpoint", "location"),
    [
        ("file:///mnt/a%20b", None, Path("/mnt/a b")),
        ("s3://bucket", None, Bucket("bucket", "", None)),
        (
            "s3://my-bucket.x/some/prefix/",
            "http://s3:9000",
            Bucket("my-bucket.x", "some/prefix", "http://s3:9000"),
        ),
    ],
)
def test_a_storage_is_a_directory_or_a_bucket(url, endpoint, location):
    assert ServiceSettings(storage_url=url, s3_endpoint=endpoint).storage_location == location


@pytest.mark.parametrize(
    "url", ["data", "file://data", "file:data", "s3://", "s3://b", "s3://a b", "gs://bucket", ""]
)
def test_anything_else_is_refused_in_a_sentence(url):
    with pytest.raises(
        ValidationError, match="CATVQ_STORAGE_URL must be file:///directory or s3://bucket/prefix"
    ):
        ServiceSettings(storage_url=url)


@pytest.mark.parametrize(
    "endpoint", ["s3.example.org", "https://user:hidden@s3.example.org", "ftp://x", "http://x/a?b"]
)
def test_an_endpoint_is_an_address_without_credentials(endpoint):
    with pytest.raises(ValidationError, match="CATVQ_S3_ENDPOINT must be http") as caught:
        ServiceSettings(storage_url="s3://bucket", s3_endpoint=endpoint)
    assert "hidden" not in str(caught.value)


def test_an_endpoint_alone_is_refused():
    with pytest.raises(ValidationError, match="CATVQ_S3_ENDPOINT needs a CATVQ_STORAGE_URL"):
        ServiceSettings(s3_endpoint="http://s3:9000")
