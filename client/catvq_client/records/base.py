"""Base of all records: frozen, typed, and shown as a table by notebooks."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from catvq_client.records.html import fields_table


class Record(BaseModel):
    """Base of all records.

    Fields that a newer service adds are kept (`model_extra`), so that an older client shows them, too.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    def document(self) -> dict[str, Any]:
        """Return the record as JSON values, as the service sent it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def _repr_html_(self) -> str:
        return fields_table(type(self).__name__, self.document())
