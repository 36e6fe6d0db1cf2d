CREATE TABLE guests (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE letters (guest bigint NOT NULL REFERENCES guests, text text NOT NULL);
