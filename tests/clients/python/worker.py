"""A program of its own on the database that `DATABASE_URL` names.

Runs each line of standard input, and says what came of it in one line of JSON: the rows of a statement, `null` if it has
none, the error that it met, or the notification that `wait CHANNEL` has waited for. Ends with its standard input.
"""

import json
import os
import sys

import psycopg


def main():
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
        say("ready")
        for line in sys.stdin:
            say(answer(conn, line.strip()))


def answer(conn, line):
    if line.startswith("wait "):
        notifies = (n for n in conn.notifies() if n.channel == line.removeprefix("wait "))
        return next(notifies).payload
    try:
        cursor = conn.execute(line)
        return [list(row) for row in cursor] if cursor.description else None
    except psycopg.Error as error:
        return {"sqlstate": error.sqlstate, "message": error.diag.message_primary or str(error)}


def say(answer):
    print(json.dumps(answer, separators=(",", ":")), flush=True)


try:
    main()
except psycopg.OperationalError as error:
    sys.exit(f"worker.py: {error}")
