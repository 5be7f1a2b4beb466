"""zava db: migrate, status, seed, rotate-key."""

from zava.adapters.postgres.key_rotation import rotate_context_key
from zava.adapters.postgres.migrate import applied_steps, pending_steps
from zava.commands.database import failures_of, open_database
from zava.settings import Settings


def migrate_database(settings: Settings) -> None:
    """Applies what is due, and says what that was."""
    with open_database(settings) as database:
        steps = database.migrate(reinstall=True)
    for step in steps:
        print(f"applied {step.series}/{step.name}")
    print("The schema is up to date.")


def show_status(settings: Settings) -> None:
    """Lists the steps of the schema: applied, then due."""
    with open_database(settings) as database, database.administration() as connection:
        for applied in applied_steps(connection):
            print(f"applied  {applied.series}/{applied.name}")
        due = pending_steps(connection)
        for step in due:
            print(f"due      {step.series}/{step.name}")
    print("Run `zava db migrate`." if due else "The schema is up to date.")


def seed_database(settings: Settings) -> None:
    """Makes the sample shop or adds to it, and says how much."""
    with open_database(settings) as database:
        database.migrate()
        added = database.seed(settings.embedded.scale)
    print(
        f"Added {added.orders:,} orders with {added.items:,} lines; "
        f"the sample shop has lived until {added.generated_until:%Y-%m-%d %H:%M} UTC."
    )


def rotate_key(settings: Settings) -> None:
    """Changes the key by which the database knows its servers, and names the new one without telling it."""
    with (
        open_database(settings) as database,
        database.administration() as connection,
        failures_of("zava db rotate-key"),
    ):
        key = rotate_context_key(connection, database.access.context_key_file)
    print(
        f"{database.access.context_key_file} holds a new key, {key.key_id}. The one before it is good until the next "
        "rotation. Servers elsewhere need a copy of the file before then."
    )
