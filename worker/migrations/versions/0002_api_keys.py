"""API keys."""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table('api_keys',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=True),
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('rotated_at', sa.Double(), nullable=True),
    sa.PrimaryKeyConstraint('seq'),
    sa.UniqueConstraint('id'),
    sqlite_autoincrement=True
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table('api_keys')
