CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES members (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX projects_by_owner ON projects (owner);
CREATE TABLE projects_history (
    id INTEGER PRIMARY KEY,
    projects INTEGER NOT NULL REFERENCES projects (id),
    change TEXT NOT NULL
);
