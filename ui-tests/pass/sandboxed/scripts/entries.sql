CREATE TABLE entries (text TEXT);
