CREATE TABLE visits (
    guest INTEGER NOT NULL REFERENCES guests (id),
    day TEXT NOT NULL
);
