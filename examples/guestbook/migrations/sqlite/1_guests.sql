CREATE TABLE guests (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL CHECK (name <> ''),
    email       TEXT NOT NULL,
    joined_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    welcomed_at TEXT
) STRICT;

-- Ada@Example.org and ada@example.org are one person.
CREATE UNIQUE INDEX guests_by_email ON guests (lower(email));
