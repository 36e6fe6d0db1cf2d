"""What psycopg 3 does with a database: `story.py URL`. Says each part that went well."""

import asyncio
import sys
import threading

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

INSERT = "INSERT INTO guests (email, name) VALUES (%s, %s)"


def names(conn, prefix):
    rows = conn.execute("SELECT name FROM guests WHERE starts_with(email, %s) ORDER BY name", [prefix])
    return [name for (name,) in rows]


def transactions(url):
    with psycopg.connect(url) as conn, psycopg.connect(url, autocommit=True) as other:
        with conn.transaction():
            conn.execute(INSERT, ["py-1@h", "one"])
            try:
                with conn.transaction():
                    conn.execute(INSERT, ["py-2@h", "two"])
                    conn.execute(INSERT, ["py-1@h", "again"])
                raise AssertionError("it is there")
            except errors.UniqueViolation as error:
                assert error.diag.constraint_name == "guests_email_key", error.diag.constraint_name
            with conn.transaction():
                conn.execute(INSERT, ["py-3@h", "three"])
        conn.commit()
        assert names(other, "py-") == ["one", "three"]
        conn.execute(INSERT, ["py-4@h", "four"])
        try:
            conn.execute("SELECT 1/0")
            raise AssertionError("no number is divided by zero")
        except errors.DivisionByZero:
            assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        try:
            conn.execute("SELECT 1")
            raise AssertionError("the transaction has failed")
        except errors.InFailedSqlTransaction:
            conn.rollback()
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert names(other, "py-") == ["one", "three"]


def pipeline(url):
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as conn:
        with conn.pipeline():
            cursors = [conn.execute("SELECT %s::int * 2", [i]) for i in range(50)]
            assert [cur.fetchone()[0] for cur in cursors] == [i * 2 for i in range(50)]
        try:
            with conn.pipeline() as pipe:
                conn.execute(INSERT, ["pipe-1@h", "lost with what fails after it"])
                conn.execute("SELECT 1/0")
                conn.execute(INSERT, ["pipe-2@h", "never run"])
                pipe.sync()
            raise AssertionError("no number is divided by zero")
        except errors.DivisionByZero:
            pass
        assert names(conn, "pipe-") == []
        with conn.transaction(), conn.cursor() as cur:
            cur.executemany(INSERT, [(f"pipe-{i}@h", f"{i}") for i in range(200)])
            assert cur.rowcount == 200
        assert len(names(conn, "pipe-")) == 200


def copy(url):
    with psycopg.connect(url) as conn, conn.cursor() as cur:
        with cur.copy("COPY guests (email, name) FROM STDIN (FORMAT binary)") as into:
            into.set_types(["text", "text"])
            for i in range(500):
                into.write_row((f"pycopy-{i}@h", "é\t\\" * (i % 5)))
        with cur.copy("COPY (SELECT name FROM guests WHERE starts_with(email, 'pycopy-') ORDER BY id) TO STDOUT") as out:
            rows = [row[0] for row in out.rows()]
        assert rows == ["é\t\\" * (i % 5) for i in range(500)]
        try:
            with conn.transaction(), cur.copy("COPY guests (email) FROM STDIN") as into:
                into.write_row(("pycopy-given-up@h",))
                raise KeyError("mine")
        except KeyError:
            pass
        assert len(names(conn, "pycopy-")) == 500


def cursors(url):
    with psycopg.connect(url, row_factory=dict_row) as conn:
        with conn.cursor("on_the_server", scrollable=True) as cur:
            cur.itersize = 7
            cur.execute("SELECT i, greet(i::text) AS text FROM generate_series(1, 20) i")
            assert [row["i"] for row in cur] == list(range(1, 21))
            cur.scroll(4, mode="absolute")
            assert cur.fetchone() == {"i": 5, "text": "Hello, 5; welcome"}
        with conn.cursor("kept", withhold=True) as cur:
            cur.execute("SELECT i FROM generate_series(1, 3) i")
            conn.commit()
            assert [row["i"] for row in cur.fetchall()] == [1, 2, 3]


def notifications(url):
    with psycopg.connect(url, autocommit=True) as listening, psycopg.connect(url) as speaking:
        listening.execute("LISTEN py")
        speaking.execute("SELECT pg_notify('py', 'never')")
        speaking.rollback()
        speaking.execute("NOTIFY py, 'first'")
        speaking.commit()
        speaking.execute("NOTIFY py, 'second'")
        speaking.commit()
        heard = [notify.payload for notify in listening.notifies(timeout=20, stop_after=2)]
        assert heard == ["first", "second"], heard


def connections(url):
    """Each in a thread: half of them commit, half do not."""

    # They may share one session: what is committed inside another's open transaction goes when that is rolled back.
    turn = threading.Lock()

    def work(number):
        with psycopg.connect(url) as conn:
            for i in range(10):
                with turn:
                    conn.execute(INSERT, [f"thread-{number}-{i}@h", ""])
                    if number % 2:
                        conn.commit()
                    else:
                        conn.rollback()

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(url) as conn:
        assert len(names(conn, "thread-")) == 20


def cancel(url):
    with psycopg.connect(url, autocommit=True) as conn:
        ended = threading.Event()

        def wish():
            # A wish to cancel that arrives before the statement has started stops nothing.
            while not ended.wait(0.3):
                conn.cancel_safe()

        thread = threading.Thread(target=wish)
        thread.start()
        try:
            conn.execute("SELECT pg_sleep(600)")
            raise AssertionError("it is cancelled")
        except errors.QueryCanceled:
            ended.set()
        thread.join()
        assert conn.execute("SELECT 1").fetchone() == (1,)


async def at_once(url):
    async def ask(number):
        async with await psycopg.AsyncConnection.connect(url) as conn:
            row = await (await conn.execute("SELECT %s::int + 1", [number])).fetchone()
            return row[0]

    assert await asyncio.gather(*[ask(number) for number in range(6)]) == [1, 2, 3, 4, 5, 6]
    conn = await psycopg.AsyncConnection.connect(url)
    async with conn:
        task = asyncio.create_task(conn.execute("SELECT pg_sleep(600)"))
        await asyncio.sleep(0.5)
        task.cancel()
        try:
            await task
            raise AssertionError("it is cancelled")
        except asyncio.CancelledError:
            await conn.rollback()
        assert await (await conn.execute("SELECT 1")).fetchone() == (1,)


def main(url):
    for part in [transactions, pipeline, copy, cursors, notifications, connections, cancel]:
        part(url)
        print(part.__name__, flush=True)
    asyncio.run(at_once(url))
    print("async")


main(sys.argv[1])
