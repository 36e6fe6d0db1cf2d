//! What cannot cost anybody the sandbox: clients that are killed, statements of the user's own, ends at a bad moment.

use heirloom::{Drain, Error, FutureExt as _, Owner, Repo, Sandbox};
use heirloom_tests::{Random, count, file_of, insert, nobodys, ours, test};
use sqlx::Sqlite;

static REPO: Repo<Sqlite> = Repo::new();

const ADA: &str = "ada@example.org";

#[test]
fn clients_that_are_killed_at_any_moment_cost_nobody_the_sandbox() {
    let mut random = Random::seeded();
    drop(test("robust::killed").multi_thread().worker_threads(2).run(|sandbox: Sandbox| {
        async move {
            insert(&REPO, ADA).await?;
            let file = file_of(&REPO).await?;
            for round in 0..300 {
                let client = async move {
                    loop {
                        let mut transaction = REPO.begin().await?;
                        let insert = sqlx::query("INSERT INTO guests (email) VALUES ('x')");
                        insert.execute(&mut *transaction).await?;
                        let slow = sqlx::query(
                            "WITH RECURSIVE n(i) AS \
                             (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT max(i) FROM n",
                        );
                        slow.execute(&mut *transaction).await?;
                        transaction.rollback().await?;
                        count(&REPO).await?;
                    }
                    #[expect(unreachable_code, reason = "names the type")]
                    Ok::<(), sqlx::Error>(())
                };
                // An heir, or an allowed stranger.
                let client = if round % 2 == 0 {
                    tokio::spawn(client)
                } else {
                    let client = nobodys().spawn(client.owned());
                    sandbox.owner().allow(&client)?;
                    client
                };
                let when = random.below(400);
                for _ in 0..when {
                    tokio::task::yield_now().await;
                }
                client.abort();
                let ended = client.await;
                assert!(ended.is_err(), "round {round}: it only ended by being killed: {ended:?}");
            }
            assert_eq!(file_of(&REPO).await?, file, "still the same session");
            assert_eq!(count(&REPO).await?, 1, "its rows are there, theirs are not");
            insert(&REPO, "bob@example.org").await?;
            Ok(())
        }
    }));
}

#[test]
fn a_client_that_panics_in_a_transaction_costs_nobody_the_sandbox() {
    drop(test("robust::panics").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let client = tokio::spawn(async {
            let mut transaction = REPO.begin().await.expect("begun");
            let insert = sqlx::query("INSERT INTO guests (email) VALUES ('x')");
            insert.execute(&mut *transaction).await.expect("inserted");
            panic!("as planned");
        });
        assert!(client.await.is_err_and(|error| error.is_panic()));
        assert_eq!(count(&REPO).await?, 1);
        insert(&REPO, "x").await?;
        Ok(())
    }));
}

#[test]
fn the_users_own_commit_and_rollback_end_no_sandbox() {
    let mut left = None;
    let out = &mut left;
    drop(test("robust::commits").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let file = file_of(&REPO).await?;
        let mut connection = REPO.acquire().await?;
        for alone in ["COMMIT", "ROLLBACK"] {
            let outside = sqlx::query(alone).execute(&mut *connection).await;
            assert!(
                outside.is_err(),
                "there is no transaction of the user's to end"
            );
        }
        for own in ["BEGIN", "INSERT INTO guests (email) VALUES ('y')", "COMMIT"] {
            sqlx::query(own).execute(&mut *connection).await?;
        }
        for own in ["BEGIN", "DELETE FROM guests", "ROLLBACK"] {
            sqlx::query(own).execute(&mut *connection).await?;
        }
        sqlx::query("BEGIN").execute(&mut *connection).await?;
        let nested = sqlx::query("BEGIN").execute(&mut *connection).await;
        assert!(nested.is_err(), "as in production");
        sqlx::query("ROLLBACK").execute(&mut *connection).await?;
        drop(connection);
        assert_eq!(count(&REPO).await?, 2);
        *out = Some(file);
        Ok(())
    }));
    assert!(
        !left.expect("set").exists(),
        "what was committed is gone, too"
    );
    drop(test("robust::after_commits").run(|_: Sandbox| async move {
        assert_eq!(count(&REPO).await?, 0, "and nobody else sees it");
        insert(&REPO, ADA).await?;
        Ok(())
    }));
}

#[test]
fn an_error_inside_a_transaction_is_as_in_production_and_harms_no_other() {
    drop(test("robust::aborted").run(|_: Sandbox| async move {
        let mut transaction = REPO.begin().await?;
        let insert_it = "INSERT INTO guests (email) VALUES ('z')";
        sqlx::query(insert_it).execute(&mut *transaction).await?;
        let twice = sqlx::query(insert_it).execute(&mut *transaction).await;
        assert!(twice.is_err_and(|error| Error::from_sqlx(&error).is_none()));
        transaction.commit().await?;
        assert_eq!(count(&REPO).await?, 1);
        let nested = async {
            use sqlx::Acquire as _;
            let mut outer = REPO.begin().await?;
            let mut inner = outer.begin().await?;
            sqlx::query("DELETE FROM guests")
                .execute(&mut *inner)
                .await?;
            inner.rollback().await?;
            outer.commit().await
        };
        nested.await?;
        assert_eq!(count(&REPO).await?, 1, "savepoints are the user's own");
        Ok(())
    }));
}

#[test]
fn a_task_inside_its_callers_transaction_does_not_deadlock() {
    drop(test("robust::inside").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let mut transaction = REPO.begin().await?;
        let here = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
        let here = here.fetch_one(&mut *transaction).await?;
        let child = tokio::spawn(count(&REPO)).await??;
        transaction.commit().await?;
        assert_eq!((here, child), (1, 1));
        Ok(())
    }));
}

#[test]
fn many_tasks_at_once_wait_for_their_turn_and_none_is_dropped() {
    drop(test("robust::many").run(|_: Sandbox| async move {
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                tokio::spawn(async move { insert(&REPO, &format!("{number}@example.org")).await })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        assert_eq!(count(&REPO).await?, 100);
        Ok(())
    }));
}

#[test]
fn owners_that_end_at_any_moment_tell_their_users_so_and_leave_nothing() {
    let mut random = Random::seeded();
    drop(
        test("robust::ends")
            .multi_thread()
            .worker_threads(2)
            .run(|_: Sandbox| async move {
                for round in 0..60 {
                    let owner = Owner::start("robust::mortal").repo(&REPO).await?;
                    let file = file_of(&REPO).owned_by(&owner).await?;
                    let users: Vec<_> = (0..3)
                        .map(|user| {
                            let uses = async move {
                                for number in 0.. {
                                    insert(&REPO, &format!("{user}.{number}@example.org")).await?;
                                }
                                Ok::<(), sqlx::Error>(())
                            };
                            tokio::spawn(uses.owned_by(&owner))
                        })
                        .collect();
                    for _ in 0..random.below(300) {
                        tokio::task::yield_now().await;
                    }
                    owner.stop().await?;
                    assert!(!file.exists());
                    for user in users {
                        let error = user.await?.expect_err("it only ends by that");
                        let told = matches!(ours(&error), Error::OwnerEnded { .. });
                        assert!(told, "round {round}: {error:?}");
                    }
                }
                Ok(())
            }),
    );
}

#[test]
fn a_backend_that_is_lost_is_an_error_and_never_a_fresh_empty_session() {
    drop(test("robust::lost").run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let pool = REPO.pool().await?;
        pool.close().await;
        let error = count(&REPO).await.expect_err("somebody closed it");
        println!("{error:?}");
        assert!(matches!(error, sqlx::Error::PoolClosed) || Error::from_sqlx(&error).is_some());
        Ok(())
    }));
}

#[test]
fn a_client_that_gives_up_on_a_long_statement_costs_nobody_the_sandbox() {
    // At its end a test waits for statements that nobody waits for any more; this one would never end.
    let test = test("robust::gives_up").drain(Drain::Abort);
    drop(test.run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let endless = sqlx::query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
             SELECT max(i) FROM n, guests",
        );
        let limit = std::time::Duration::from_millis(50);
        let given_up = tokio::time::timeout(limit, endless.execute(&REPO)).await;
        assert!(given_up.is_err(), "it would never end");
        assert_eq!(count(&REPO).await?, 1);
        insert(&REPO, "bob@example.org").await?;
        assert_eq!(count(&REPO).await?, 2);
        Ok(())
    }));
}
