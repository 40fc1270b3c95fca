"""Which key submitted a job."""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('key_id', sa.String(), nullable=True))
        batch_op.create_index('jobs_by_key', ['key_id', 'status'], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_index('jobs_by_key')
        batch_op.drop_column('key_id')
