CREATE TABLE entries_of_users (text TEXT);
