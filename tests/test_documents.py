import json
import re
from pathlib import Path

import pytest

from app.settings import ApiSettings
from catvq.config import RunConfig
from worker.contract.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request):
    return request.param


def test_every_relative_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    relative = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in relative if not (document.parent / link).exists()] == []


def test_every_make_target_that_is_named_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"```.*?```|`[^`\n]+`", document.read_text(), re.DOTALL)
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", "\n".join(code), re.MULTILINE))
    assert named - targets == set()


def test_a_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 1000


def rows_of(name):
    """The first two cells of every row of a page's tables."""
    text = (ROOT / "docs" / "reference" / name).read_text()
    return re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE)


def test_every_setting_is_documented_with_its_default():
    documented = dict(rows_of("settings.md"))
    fields = {**ApiSettings.model_fields, **WorkerSettings.model_fields}
    own = {f"CATVQ_{name}".upper(): field for name, field in fields.items() if not field.validation_alias}
    assert documented.keys() == {*own, "CATVQ_URL", "CATVQ_API_KEY"}  # the last two are the clients'
    for name, field in own.items():
        if isinstance(field.default, int | float | str):
            assert documented[name] == f"`{str(field.default).lower()}`", name


def test_every_field_of_a_job_is_documented_with_its_default():
    text = (ROOT / "docs" / "reference" / "job-configuration.md").read_text()
    for section, settings in RunConfig().to_dict().items():
        _, _, part = text.partition(f"\n## {section}\n")
        part = part.partition("\n## ")[0]
        documented = dict(re.findall(r"^\| `(\w+)` \| `([^|]*)` \|", part, re.MULTILINE))
        assert documented == {name: json.dumps(value) for name, value in settings.items()}, section
