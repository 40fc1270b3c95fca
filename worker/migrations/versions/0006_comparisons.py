"""Which models are to be compared with simpler ones, and what came out."""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        'comparisons',
        sa.Column('model_id', sa.String(), nullable=False),
        sa.Column('config', sa.JSON(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('worker_name', sa.String(), nullable=True),
        sa.Column('claimed_until', sa.Double(), nullable=True),
        sa.Column('document', sa.JSON(), nullable=True),
        sa.Column('error', sa.String(), nullable=True),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(['model_id'], ['models.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('model_id'),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table('comparisons')
