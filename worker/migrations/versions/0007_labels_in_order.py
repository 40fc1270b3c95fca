"""The place of a label's job in the list, so that a list filtered by a label is read in its order."""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table('job_labels', schema=None) as batch_op:
        batch_op.drop_index('job_labels_by_value')
        batch_op.add_column(sa.Column('seq', sa.BigInteger(), nullable=True))

    op.execute('UPDATE job_labels SET seq = (SELECT seq FROM jobs WHERE jobs.id = job_labels.job_id)')
    with op.batch_alter_table('job_labels', schema=None) as batch_op:
        batch_op.alter_column('seq', existing_type=sa.BigInteger(), nullable=False)
        batch_op.create_index('job_labels_by_value', ['name', 'value', 'seq'], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('job_labels', schema=None) as batch_op:
        batch_op.drop_index('job_labels_by_value')
        batch_op.drop_column('seq')
        batch_op.create_index('job_labels_by_value', ['name', 'value', 'job_id'], unique=False)
