"""The short form of `make fuzz`: damaged files are refused, or taken, and nothing worse happens."""

import random

import pytest

from tests.fuzz.uploads import SOUND, damaged

IN_CHILDREN = {"application/vnd.apache.parquet", "application/x-hdf5"}


@pytest.mark.parametrize("media_type", SOUND)
def test_sound_files_are_taken(client, media_type):
    for body in SOUND[media_type]:
        answer = client.post("/v1/datasets", content=body, headers={"content-type": media_type})
        assert answer.status_code in {200, 201}, answer.text


@pytest.mark.parametrize("media_type", SOUND)
def test_damaged_files_are_answered(client, media_type):
    generator = random.Random(1)
    for _ in range(4 if media_type in IN_CHILDREN else 150):
        body = damaged(media_type, generator)
        answer = client.post("/v1/datasets", content=body, headers={"content-type": media_type})
        assert answer.status_code < 500, body
