-- A row for each that is counted, as on PostgreSQL.
CREATE TABLE counted (
    id      INTEGER PRIMARY KEY,
    counter TEXT NOT NULL
) STRICT;

CREATE VIEW statistics AS SELECT counter, count(*) AS value FROM counted GROUP BY counter;
