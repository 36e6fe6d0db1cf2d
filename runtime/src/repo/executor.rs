//! `&Repo` goes where `&Pool` goes.

use super::{Repo, Supported};
use async_stream::try_stream;
use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Describe, Either, Error, Execute, Executor, SqlStr, Transaction};
use std::future::poll_fn;
use std::pin::Pin;

impl<'p, DB> Executor<'p> for &'p Repo<DB>
where
    DB: Supported,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        let acquired = self.connection(None);
        Box::pin(try_stream! {
            let (mut connection, pass) = acquired.await?;
            let mut steps = connection.fetch_many(query);
            while let Some(step) = next(&mut steps).await {
                yield step.map_err(|error| pass.explain(error))?;
            }
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        let acquired = self.connection(None);
        Box::pin(async move {
            let (mut connection, pass) = acquired.await?;
            let fetched = connection.fetch_optional(query).await;
            fetched.map_err(|error| pass.explain(error))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        let acquired = self.connection(None);
        Box::pin(async move {
            let (mut connection, pass) = acquired.await?;
            let prepared = connection.prepare_with(sql, parameters).await;
            prepared.map_err(|error| pass.explain(error))
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        let acquired = self.connection(None);
        Box::pin(async move {
            let (mut connection, pass) = acquired.await?;
            let described = connection.describe(sql).await;
            described.map_err(|error| pass.explain(error))
        })
    }
}

async fn next<T>(stream: &mut BoxStream<'_, T>) -> Option<T> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

impl<'a, DB: Supported> Acquire<'a> for &'_ Repo<DB> {
    type Database = DB;

    type Connection = PoolConnection<DB>;

    #[track_caller]
    fn acquire(self) -> BoxFuture<'a, Result<PoolConnection<DB>, Error>> {
        Box::pin(Repo::acquire(self))
    }

    #[track_caller]
    fn begin(self) -> BoxFuture<'a, Result<Transaction<'a, DB>, Error>> {
        let transaction = Repo::begin(self);
        Box::pin(async move {
            let transaction: Transaction<'a, DB> = transaction.await?;
            Ok(transaction)
        })
    }
}
