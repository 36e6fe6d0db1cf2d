CREATE TABLE audits (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES events (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX audits_by_owner ON audits (owner);
CREATE TABLE audits_history (
    id INTEGER PRIMARY KEY,
    audits INTEGER NOT NULL REFERENCES audits (id),
    change TEXT NOT NULL
);
