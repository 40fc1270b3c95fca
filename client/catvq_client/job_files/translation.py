"""What a file in the published layout becomes: a job, and the keys that have no effect."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catvq_client.job_files.published_keys import NULLABLE
from catvq_client.job_files.run_file import IgnoredKey


@dataclass
class Translation:
    """Collects the job and the ignored keys; the others as in `RunFile`."""

    job: dict[str, Any] = field(default_factory=dict)
    ignored_keys: list[IgnoredKey] = field(default_factory=list)
    category_ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    mapping_path: Path | None = None

    def put(self, target: str, value: Any) -> None:
        """Set a field of the job."""
        if value is None and target not in NULLABLE:
            return
        section, name = target.split(".")
        self.job.setdefault(section, {})[name] = value

    def refuse(self, key: str, value: Any, reason: str) -> None:
        """Report a key that is ignored."""
        self.ignored_keys.append(IgnoredKey(key, value, reason))
