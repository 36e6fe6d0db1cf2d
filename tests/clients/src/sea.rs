//! SeaORM, on sqlx: over a URL, and over a pool that the application has made.

use sea_orm::entity::prelude::*;
use sea_orm::{
    ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, QueryOrder as _, SqlErr,
    SqlxPostgresConnector, TransactionError, TransactionTrait as _,
};
use sqlx::postgres::PgPoolOptions;

mod guests {
    #![allow(unreachable_pub, reason = "as SeaORM's generator writes it")]

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Eq)]
    #[sea_orm(table_name = "guests")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(unique)]
        pub email: String,
        pub name: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// SeaORM makes the pool from the URL.
pub async fn works_over_a_url(url: &str) {
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false);
    let database = Database::connect(options).await.expect("it connects");
    works(&database, "sea-url").await;
    database.close().await.expect("it closes");
}

/// The application makes the pool.
pub async fn works_over_a_pool(url: &str) {
    let pool = PgPoolOptions::new().max_connections(4).connect(url).await;
    let pool = pool.expect("it connects");
    let database = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
    works(&database, "sea-pool").await;
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM guests WHERE starts_with(email, 'sea-pool')")
            .fetch_one(&pool)
            .await
            .expect("a query");
    assert_eq!(there, 3);
    pool.close().await;
}

async fn insert<C: ConnectionTrait>(on: &C, email: String) -> Result<guests::Model, DbErr> {
    let guest = guests::ActiveModel {
        email: Set(email),
        name: Set("sea".to_owned()),
        ..Default::default()
    };
    guest.insert(on).await
}

async fn emails(database: &DatabaseConnection, prefix: &str) -> Vec<String> {
    let there = guests::Entity::find()
        .filter(guests::Column::Email.starts_with(prefix))
        .order_by_asc(guests::Column::Email)
        .all(database)
        .await;
    let there = there.expect("a query").into_iter();
    there.map(|guest| guest.email.replace(prefix, "")).collect()
}

fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

async fn works(database: &DatabaseConnection, prefix: &str) {
    let email = |name: &str| format!("{prefix}{name}");
    let first = insert(database, email("1")).await.expect("a row");
    let mut renamed: guests::ActiveModel = first.clone().into();
    renamed.name = Set("renamed".to_owned());
    renamed.update(database).await.expect("it is updated");
    let refused = insert(database, email("1")).await.expect_err("it is there");
    assert!(is_unique_violation(&refused), "{refused:?}");

    let lost = database
        .transaction::<_, (), DbErr>(|on| {
            let email = email("2");
            Box::pin(async move {
                insert(on, email).await?;
                Err(DbErr::Custom("no".to_owned()))
            })
        })
        .await;
    assert!(matches!(
        lost,
        Err(TransactionError::Transaction(DbErr::Custom(_)))
    ));

    // Held open while the pool is used beside it.
    let outer = database.begin().await.expect("it begins");
    insert(&outer, email("3")).await.expect("a row");
    let inner = outer.begin().await.expect("a savepoint");
    let refused = insert(&inner, email("3")).await.expect_err("it is there");
    assert!(is_unique_violation(&refused), "{refused:?}");
    inner.rollback().await.expect("back to it");
    let inner = outer.begin().await.expect("a savepoint");
    insert(&inner, email("4")).await.expect("a row");
    inner.commit().await.expect("it is released");
    let same = guests::Entity::find_by_id(first.id).one(database).await;
    assert_eq!(same.expect("a query").expect("it is there").name, "renamed");
    outer.commit().await.expect("it commits");

    at_once(database, &email("1")).await;
    assert_eq!(emails(database, prefix).await, ["1", "3", "4"]);
}

/// More queries at once than the pool has connections.
async fn at_once(database: &DatabaseConnection, email: &str) {
    let found = (0..8).map(|_| {
        guests::Entity::find()
            .filter(guests::Column::Email.eq(email))
            .count(database)
    });
    for found in futures_util::future::join_all(found).await {
        assert_eq!(found.expect("a query"), 1);
    }
}
