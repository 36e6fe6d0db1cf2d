CREATE TABLE guests (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL CHECK (name <> ''),
    -- Ada@Example.org and ada@example.org are one person.
    email       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    joined_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    welcomed_at TEXT
) STRICT;
