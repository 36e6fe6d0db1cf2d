CREATE TABLE guests (email text NOT NULL UNIQUE);
