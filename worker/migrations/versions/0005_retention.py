"""What the retention has removed."""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table('expired',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('expired_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.create_index('jobs_by_end', ['finished_at'], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_index('jobs_by_end')

    op.drop_table('expired')
