CREATE TABLE task_labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    owner INTEGER REFERENCES labels (id),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX task_labels_by_owner ON task_labels (owner);
CREATE TABLE task_labels_history (
    id INTEGER PRIMARY KEY,
    task_labels INTEGER NOT NULL REFERENCES task_labels (id),
    change TEXT NOT NULL
);
