-- The outbox: letters that somebody else delivers. A guest is welcomed once.
CREATE TABLE letters (
    id         INTEGER PRIMARY KEY,
    guest_id   INTEGER NOT NULL UNIQUE REFERENCES guests (id) ON DELETE CASCADE,
    subject    TEXT NOT NULL,
    written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;
