INSERT INTO ledger (line) VALUES ('one');
