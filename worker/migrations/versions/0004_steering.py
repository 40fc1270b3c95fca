"""What the users of running jobs changed, and at which step it took effect."""

import sqlalchemy as sa
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column('jobs', sa.Column('steering', sa.JSON(), nullable=False, server_default='[]'))


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.drop_column('steering')
