CREATE TABLE guests (id integer PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE letters (guest integer NOT NULL REFERENCES guests, text text NOT NULL);
CREATE TABLE chores (id integer PRIMARY KEY, kind text NOT NULL, guest integer NOT NULL REFERENCES guests);
