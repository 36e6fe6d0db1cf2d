//! tokio-postgres: the driver that many others are built on.

use crate::NAMES_LIKE;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future, pin_mut, stream};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Notification, connect};

/// How long a notification may take to arrive. None is waited for that does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a statement that was to be cancelled may go on before that is said again.
const AGAIN: Duration = Duration::from_millis(300);

async fn client(url: &str) -> Client {
    let (client, connection) = connect(url, NoTls).await.expect("it connects");
    tokio::spawn(connection);
    client
}

async fn names(client: &Client, prefix: &str) -> Vec<String> {
    let rows = client.query(NAMES_LIKE, &[&prefix]).await;
    rows.expect("a query")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Twenty queries are sent before the first is answered; one that fails takes no other along.
pub async fn pipelines(url: &str) {
    let client = client(url).await;
    let square = client
        .prepare("SELECT $1::int4 * $1::int4, 12 / $1::int4")
        .await;
    let square = square.expect("it is prepared");
    let queries = (0..20).map(|i| {
        let (client, square) = (&client, &square);
        async move {
            client
                .query_one(square, &[&i])
                .await
                .map(|row| row.get::<_, i32>(0))
        }
    });
    let answers = future::join_all(queries).await;
    for (i, answer) in (0..).zip(answers) {
        match answer {
            Err(error) => assert_eq!((i, error.code()), (0, Some(&SqlState::DIVISION_BY_ZERO))),
            Ok(squared) => assert_eq!(squared, i * i),
        }
    }
    // Prepared and run in one go, while others are under way.
    let (one, two) = tokio::join!(
        client.query_typed("SELECT $1 || '!'", &[(&"hey", Type::TEXT)]),
        client.simple_query("SELECT 1; SELECT 2"),
    );
    assert_eq!(one.expect("a query")[0].get::<_, &str>(0), "hey!");
    // Each statement: its columns, its row, its end.
    assert_eq!(two.expect("two queries").len(), 6);
}

/// Rows come by COPY and go by COPY, as text and as CSV; what is refused or given up leaves nothing.
pub async fn copies_both_ways(url: &str) {
    let client = client(url).await;
    let copy = "COPY guests (email, name) FROM STDIN (FORMAT csv)";
    let lines = ["copy-1@h,\"A, B\"\ncopy-2", "@h,C\n", "copy-3@h,\"\"\n"];
    let sink = client.copy_in::<_, Bytes>(copy).await.expect("it starts");
    let mut sink = pin!(sink);
    let mut chunks = stream::iter(lines.map(|line| Ok::<_, Error>(Bytes::from(line))));
    sink.send_all(&mut chunks).await.expect("it takes lines");
    assert_eq!(sink.finish().await.expect("three rows"), 3);

    let copy = "COPY (SELECT email, name FROM guests WHERE starts_with(email, 'copy-') ORDER BY 1) TO STDOUT";
    let out = client.copy_out(copy).await.expect("it starts");
    let out: BytesMut = out.try_collect::<Vec<_>>().await.expect("it ends").concat()[..].into();
    assert_eq!(out, "copy-1@h\tA, B\ncopy-2@h\tC\ncopy-3@h\t\n");

    refused_copy(&client).await;
    given_up_copy(&client).await;
    assert_eq!(names(&client, "copy-").await, ["", "A, B", "C"]);
}

/// The last of many lines is one that is there already.
async fn refused_copy(client: &Client) {
    let copy = "COPY guests (email) FROM STDIN";
    let sink = client.copy_in::<_, Bytes>(copy).await.expect("it starts");
    let mut sink = pin!(sink);
    for i in 10..2_000 {
        let line = Bytes::from(format!("copy-{i}@h\n"));
        sink.send(line).await.expect("it takes lines");
    }
    sink.send(Bytes::from("copy-1@h\n"))
        .await
        .expect("it takes lines");
    let refused = sink.finish().await.expect_err("it is there already");
    assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
}

/// Dropped: the driver says that it failed.
async fn given_up_copy(client: &Client) {
    let copy = "COPY guests (email) FROM STDIN";
    let sink = client.copy_in::<_, Bytes>(copy).await.expect("it starts");
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from("copy-4@h\n"))
        .await
        .expect("it takes lines");
    sink.flush().await.expect("it takes lines");
    drop(sink);
    let one = client.query_one("SELECT 1", &[]).await;
    assert_eq!(one.expect("the connection goes on").get::<_, i32>(0), 1);
}

async fn listener(url: &str) -> (Client, mpsc::UnboundedReceiver<Notification>) {
    let (client, mut connection) = connect(url, NoTls).await.expect("it connects");
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        pin_mut!(messages);
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                send.send(notification).ok();
            }
        }
    });
    (client, receive)
}

async fn heard(heard: &mut mpsc::UnboundedReceiver<Notification>) -> (String, String) {
    let next = tokio::time::timeout(PATIENCE, heard.recv()).await;
    let next = next.expect("in time").expect("the connection lives");
    (next.channel().to_owned(), next.payload().to_owned())
}

/// A notification is heard by those who listen, once its transaction has committed, in order; one rolled back is not.
pub async fn notifies(url: &str) {
    let (listening, mut inbox) = listener(url).await;
    let (other, mut inbox_of_other) = listener(url).await;
    let mut speaking = client(url).await;
    listening
        .batch_execute("LISTEN orders; LISTEN \"Bills\"")
        .await
        .expect("it listens");
    other
        .batch_execute("LISTEN orders; UNLISTEN orders; LISTEN closing")
        .await
        .expect("it listens");
    let given_up = speaking.transaction().await.expect("it begins");
    given_up
        .batch_execute("NOTIFY orders, 'never'")
        .await
        .expect("said");
    given_up.rollback().await.expect("it rolls back");
    let kept = speaking.transaction().await.expect("it begins");
    kept.batch_execute("NOTIFY orders, 'one'; NOTIFY \"Bills\"")
        .await
        .expect("said");
    kept.commit().await.expect("it commits");
    speaking
        .batch_execute("NOTIFY orders, 'it''s two'; NOTIFY closing, 'end'")
        .await
        .expect("said");
    let pair = |channel: &str, payload: &str| (channel.to_owned(), payload.to_owned());
    assert_eq!(heard(&mut inbox).await, pair("orders", "one"));
    assert_eq!(heard(&mut inbox).await, pair("Bills", ""));
    assert_eq!(heard(&mut inbox).await, pair("orders", "it's two"));
    // Had it heard the orders, they would have come first.
    assert_eq!(heard(&mut inbox_of_other).await, pair("closing", "end"));
    // Whoever speaks hears it as well.
    listening
        .batch_execute("NOTIFY orders, 'mine'")
        .await
        .expect("said");
    assert_eq!(heard(&mut inbox).await, pair("orders", "mine"));
}

/// Transactions with savepoints, on two connections one after the other.
pub async fn nests(url: &str) {
    let (mut first, mut second) = (client(url).await, client(url).await);
    let insert = "INSERT INTO guests (email, name) VALUES ($1, $2)";
    let mut outer = first.transaction().await.expect("it begins");
    outer
        .execute(insert, &[&"nest-1@h", &"outer"])
        .await
        .expect("a row");
    let inner = outer.transaction().await.expect("a savepoint");
    inner
        .execute(insert, &[&"nest-2@h", &"inner"])
        .await
        .expect("a row");
    inner.rollback().await.expect("back to it");
    let failing = outer.savepoint("of_mine").await.expect("a savepoint");
    let refused = failing.execute(insert, &[&"nest-1@h", &"again"]).await;
    let refused = refused.expect_err("it is there already");
    assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
    let refused = failing
        .query("SELECT 1", &[])
        .await
        .expect_err("the transaction has failed");
    assert_eq!(refused.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    failing.rollback().await.expect("back to it");
    let inner = outer.transaction().await.expect("a savepoint");
    inner
        .execute(insert, &[&"nest-3@h", &"released"])
        .await
        .expect("a row");
    inner.commit().await.expect("it is released");
    outer.commit().await.expect("it commits");
    assert_eq!(names(&second, "nest-").await, ["outer", "released"]);

    let failed = second.transaction().await.expect("it begins");
    failed
        .execute(insert, &[&"nest-4@h", &"lost"])
        .await
        .expect("a row");
    failed.query("SELECT 1/0", &[]).await.expect_err("it fails");
    // What the server answers to this is ROLLBACK, which the driver does not look at.
    failed.commit().await.expect("it ends");
    // Dropped: rolled back before the next statement.
    let dropped = second.transaction().await.expect("it begins");
    dropped
        .execute(insert, &[&"nest-5@h", &"lost"])
        .await
        .expect("a row");
    drop(dropped);
    assert_eq!(names(&second, "nest-").await, ["outer", "released"]);
    assert_eq!(names(&first, "nest-").await, ["outer", "released"]);
}

/// A constraint that is deferred fails the commit, and nothing is left.
pub async fn defers(url: &str) {
    let mut client = client(url).await;
    let insert = "INSERT INTO visits (guest, note) VALUES (-1, 'defers')";
    let transaction = client.transaction().await.expect("it begins");
    transaction
        .execute(insert, &[])
        .await
        .expect("not yet refused");
    let refused = transaction
        .commit()
        .await
        .expect_err("there is no such guest");
    assert_eq!(refused.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
    let refused = client
        .execute(insert, &[])
        .await
        .expect_err("there is no such guest");
    assert_eq!(refused.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
    let left = client
        .query_one("SELECT count(*) FROM visits WHERE note = 'defers'", &[])
        .await;
    assert_eq!(left.expect("a query").get::<_, i64>(0), 0);
}

/// A statement is cancelled from another connection; its own goes on, and so do others.
pub async fn cancels(url: &str) {
    let (client, other) = (client(url).await, client(url).await);
    let token = client.cancel_token();
    let mut slept = pin!(client.query("SELECT pg_sleep(600)", &[]));
    let slept = loop {
        // A wish to cancel that arrives before the statement has started stops nothing.
        match tokio::time::timeout(AGAIN, &mut slept).await {
            Ok(slept) => break slept,
            Err(_) => token.cancel_query(NoTls).await.expect("it is told"),
        }
    };
    let slept = slept.expect_err("it is cancelled");
    assert_eq!(slept.code(), Some(&SqlState::QUERY_CANCELED));
    for client in [&client, &other] {
        let one = client.query_one("SELECT 1", &[]).await.expect("it goes on");
        assert_eq!(one.get::<_, i32>(0), 1);
    }
}

/// A portal gives its rows in parts, with other statements between them.
pub async fn fetches_in_parts(url: &str) {
    let mut client = client(url).await;
    let transaction = client.transaction().await.expect("it begins");
    let portal = transaction
        .bind("SELECT generate_series(1, 10)", &[])
        .await
        .expect("a portal");
    let mut parts = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 4).await.expect("a part");
        if rows.is_empty() {
            break;
        }
        parts.push(rows.len());
        transaction
            .query_one("SELECT 1", &[])
            .await
            .expect("a query between");
    }
    assert_eq!(parts, [4, 4, 2]);
    transaction.commit().await.expect("it commits");
}

/// Four connections write and read at once.
pub async fn works_at_once(url: &str) {
    let workers = (0..4).map(|worker| {
        let url = url.to_owned();
        tokio::spawn(async move {
            let client = client(&url).await;
            let insert = "INSERT INTO guests (email, name) VALUES ($1, $2) RETURNING id";
            let insert = client.prepare(insert).await.expect("it is prepared");
            for i in 0..10 {
                let email = format!("many-{worker}-{i}@h");
                let row = client
                    .query_one(&insert, &[&email, &email])
                    .await
                    .expect("a row");
                let same = "SELECT email FROM guests WHERE id = $1";
                let same = client
                    .query_one(same, &[&row.get::<_, i64>(0)])
                    .await
                    .expect("it is there");
                assert_eq!(same.get::<_, &str>(0), email);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
    assert_eq!(names(&client(url).await, "many-").await.len(), 40);
}
