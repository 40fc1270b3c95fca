"""Format 7 begins: a new store is created whole, from the tables of `worker.store.database.schema`."""

revision = "7_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing."""
