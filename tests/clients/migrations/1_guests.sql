CREATE TABLE guests (
    id bigserial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL DEFAULT ''
);

CREATE TABLE visits (
    id bigserial PRIMARY KEY,
    guest bigint NOT NULL REFERENCES guests DEFERRABLE INITIALLY DEFERRED,
    note text NOT NULL CHECK (note <> 'never')
);

CREATE INDEX visits_guest ON visits (guest);

CREATE VIEW regulars AS
    SELECT name, count(*) AS visits FROM guests JOIN visits ON visits.guest = guests.id GROUP BY name HAVING count(*) > 1;

CREATE FUNCTION greet(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'Hello, ' || name || '; welcome' $$;
