//! diesel-async, on tokio-postgres.

use ::diesel::prelude::{
    ExpressionMethods as _, QueryDsl as _, QueryResult, TextExpressionMethods as _,
};
use ::diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};

mod schema {
    #![allow(missing_docs, reason = "the macro's, and public only in here")]

    diesel::table! {
        guests {
            id -> BigInt,
            email -> Text,
            name -> Text,
        }
    }
}

use schema::guests;

async fn connect(url: &str) -> AsyncPgConnection {
    AsyncPgConnection::establish(url)
        .await
        .expect("it connects")
}

async fn insert(connection: &mut AsyncPgConnection, email: &str) -> QueryResult<i64> {
    ::diesel::insert_into(guests::table)
        .values((guests::email.eq(email), guests::name.eq("diesel")))
        .returning(guests::id)
        .get_result(connection)
        .await
}

async fn emails(connection: &mut AsyncPgConnection) -> Vec<String> {
    guests::table
        .select(guests::email)
        .filter(guests::email.like("diesel-%"))
        .order(guests::email)
        .load(connection)
        .await
        .expect("a query")
}

fn is_unique_violation(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)
    )
}

/// Inserts, updates, transactions and those within them, seen by another connection.
pub async fn works(url: &str) {
    let (mut one, mut two) = (connect(url).await, connect(url).await);
    let id = insert(&mut one, "diesel-1@h").await.expect("a row");
    let named = ::diesel::update(guests::table.find(id))
        .set(guests::name.eq("renamed"))
        .execute(&mut two)
        .await;
    assert_eq!(named, Ok(1));
    let refused = insert(&mut two, "diesel-1@h")
        .await
        .expect_err("it is there");
    assert!(is_unique_violation(&refused), "{refused:?}");

    let lost = one
        .transaction(async |one| {
            insert(one, "diesel-2@h").await?;
            Err::<(), _>(Error::RollbackTransaction)
        })
        .await;
    assert_eq!(lost, Err(Error::RollbackTransaction));
    let kept = two
        .transaction(async |two| {
            insert(two, "diesel-3@h").await?;
            let inner = two
                .transaction(async |two| {
                    insert(two, "diesel-4@h").await?;
                    insert(two, "diesel-3@h").await
                })
                .await;
            assert!(is_unique_violation(&inner.expect_err("it is there")));
            two.transaction(async |two| insert(two, "diesel-5@h").await)
                .await
        })
        .await;
    kept.expect("it commits");
    for connection in [&mut one, &mut two] {
        let there = emails(connection).await;
        assert_eq!(there, ["diesel-1@h", "diesel-3@h", "diesel-5@h"]);
    }
    let name = guests::table
        .find(id)
        .select(guests::name)
        .first::<String>(&mut one)
        .await;
    assert_eq!(name.as_deref(), Ok("renamed"));
}
