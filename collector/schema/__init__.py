"""The tables: numbered .sql files, one statement each, and the migrator that applies them."""
