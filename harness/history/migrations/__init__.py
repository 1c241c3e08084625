"""Forward migrations of the history, run by Alembic. One file a schema version in `versions/`, never changed later."""
