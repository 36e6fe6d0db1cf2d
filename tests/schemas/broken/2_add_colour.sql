ALTER TABLE nothing_of_that_name ADD COLUMN colour TEXT;
