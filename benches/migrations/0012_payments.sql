CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES lines (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX payments_by_owner ON payments (owner);
CREATE TABLE payments_history (
    id INTEGER PRIMARY KEY,
    payments INTEGER NOT NULL REFERENCES payments (id),
    change TEXT NOT NULL
);
