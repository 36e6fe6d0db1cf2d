"""A program of its own on the SQLite database that `DATABASE_URL` names: adds a guest, and says who is there."""

import os
import sqlite3
import sys
from urllib.parse import unquote, urlsplit

path = unquote(urlsplit(os.environ["DATABASE_URL"]).path)
with sqlite3.connect(path, timeout=10) as database:
    database.execute("INSERT INTO guests (email) VALUES (?)", [sys.argv[1]])
    for (email,) in database.execute("SELECT email FROM guests ORDER BY email"):
        print(email)
