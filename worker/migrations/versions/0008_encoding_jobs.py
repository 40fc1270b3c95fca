"""Jobs that encode a dataset instead of learning from one, and what they leave behind."""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column('jobs', sa.Column('kind', sa.String(), nullable=False, server_default='training'))
    op.add_column('jobs', sa.Column('result_dataset_id', sa.String(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_column('result_dataset_id')
        batch_op.drop_column('kind')
