CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES files (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX invoices_by_owner ON invoices (owner);
CREATE UNIQUE INDEX invoices_by_name ON invoices (name);
