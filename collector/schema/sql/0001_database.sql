-- Everything lives in one database.
CREATE DATABASE IF NOT EXISTS otel
