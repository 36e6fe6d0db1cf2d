CREATE TABLE statistics (
    counter TEXT PRIMARY KEY,
    value   BIGINT NOT NULL
);
