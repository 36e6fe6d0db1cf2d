CREATE TABLE entries (
    id        INTEGER PRIMARY KEY,
    guest_id  INTEGER NOT NULL REFERENCES guests (id) ON DELETE CASCADE,
    text      TEXT NOT NULL CHECK (text <> ''),
    signed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;

CREATE INDEX entries_by_guest ON entries (guest_id);
