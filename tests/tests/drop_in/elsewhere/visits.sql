INSERT INTO visits (guest, day) VALUES (1, 'monday'), (2, 'tuesday');
