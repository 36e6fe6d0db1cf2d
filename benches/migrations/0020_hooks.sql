CREATE TABLE hooks (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES mails (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX hooks_by_owner ON hooks (owner);
CREATE TABLE hooks_history (
    id INTEGER PRIMARY KEY,
    hooks INTEGER NOT NULL REFERENCES hooks (id),
    change TEXT NOT NULL
);
CREATE UNIQUE INDEX hooks_by_name ON hooks (name);
