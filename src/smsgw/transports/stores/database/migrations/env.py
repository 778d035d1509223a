"""What Alembic runs first: the connection comes from `migrate.py`, which holds the lock."""

from alembic import context

from smsgw.transports.stores.database.schema import metadata


def run() -> None:
    """Run the migrations on the connection that was handed over: in the transaction that is open on it, else each in
    one of its own."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
