"""How much each dataset takes, and which key it belongs to."""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column('datasets', sa.Column('size_bytes', sa.BigInteger(), nullable=False, server_default='0'))
    op.add_column('datasets', sa.Column('key_id', sa.String(), nullable=True))
    # Both kinds of database call it so. Values are single floats, after a header.
    op.execute('UPDATE datasets SET size_bytes = 128 + 4 * rows * json_array_length(features)')


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table('datasets', schema=None) as batch_op:
        batch_op.drop_column('key_id')
        batch_op.drop_column('size_bytes')
