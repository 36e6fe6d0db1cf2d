use super::*;
use std::time::{Duration, Instant};

async fn source(base: &str) -> (Suite, Config, Template) {
    let suite = Suite::new(base, NOTES).await;
    let config = app(base);
    let (template, session) = ensure(&config, &suite.wanted(Purpose::Source))
        .await
        .unwrap();
    assert!(session.is_none());
    (suite, config, template)
}

#[tokio::test]
async fn clones_are_alike_and_apart() {
    let (suite, config, source) = source("apart").await;
    let clones = Clones::open(&config, &source).await.unwrap();
    let (one, two) = (
        clones.create().await.unwrap(),
        clones.create().await.unwrap(),
    );
    assert_ne!(one.name(), two.name());
    ask(one.config(), "INSERT INTO notes (body) VALUES ('second')").await;
    assert_eq!(count(one.config()).await.as_deref(), Some("2"));
    assert_eq!(count(two.config()).await.as_deref(), Some("1"));
    // The source itself lets nobody in, and is found again.
    let error = Upstream::connect(source.config()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not currently accepting connections"),
        "{error}"
    );
    let (again, _) = ensure(&config, &suite.wanted(Purpose::Source))
        .await
        .unwrap();
    assert_eq!(again.name(), source.name());
    // Sessions in the other kind of template are not in the way.
    let (_, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    let three = clones.create().await.unwrap();
    drop(session);
    let in_it = Upstream::connect(one.config()).await.unwrap();
    let names = [&one, &two, &three].map(|clone| clone.name().to_owned());
    for clone in [one, two, three] {
        clones.discard(clone, None).await.unwrap();
    }
    drop(in_it);
    let left = databases("apart").await;
    assert!(names.iter().all(|name| !left.contains(name)), "{left:?}");
}

/// A superuser, as the server's own autovacuum, cannot be ended by others.
#[tokio::test]
async fn a_database_with_somebody_in_it_who_cannot_be_ended_is_dropped_once_they_leave() {
    let mut home = Upstream::connect(&app("postgres")).await.unwrap();
    home.simple("CREATE DATABASE left_late").await.unwrap();
    let inside = server().unix("postgres", "left_late");
    let inside = Upstream::connect(&inside).await.unwrap();
    let dropping = tokio::spawn(async move { drop_by_force(&mut home, "left_late").await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE query = 'DROP DATABASE IF EXISTS \"left_late\"'";
    let mut admin = admin().await;
    while admin.simple(waits).await.unwrap().first() != Some("1") {
        tokio::task::yield_now().await;
    }
    inside.close().await;
    dropping.await.unwrap().unwrap();
    assert!(databases("left_late").await.is_empty());
}

#[tokio::test]
async fn a_kept_clone_stays_for_a_week() {
    let (_suite, config, source) = source("kept").await;
    let clones = Clones::open(&config, &source).await.unwrap();
    let (kept, old, lost) = (
        clones.create().await.unwrap(),
        clones.create().await.unwrap(),
        clones.create().await.unwrap(),
    );
    let kept = clones.keep(kept, "app::it's_red").await.unwrap();
    let old = clones.keep(old, "app::old").await.unwrap();
    let lost = lost.name().to_owned();
    let sql =
        format!("COMMENT ON DATABASE \"{old}\" IS 'heirloom: kept, since 1000, for app::old'");
    admin().await.simple(&sql).await.unwrap();
    // A living process's clones are left alone.
    let other = Clones::open(&config, &source).await.unwrap();
    let left = databases("kept").await;
    assert!(
        left.contains(&kept) && left.contains(&lost) && !left.contains(&old),
        "{left:?}"
    );
    drop((clones, other));
    // What the dead leave is not; the server notices a while after that they are dead.
    let started = Instant::now();
    while databases("kept").await.contains(&lost) {
        assert!(started.elapsed() < Duration::from_mins(1));
        drop(Clones::open(&config, &source).await.unwrap());
    }
    assert!(databases("kept").await.contains(&kept));
    assert_eq!(
        count(&config.with_database(&kept)).await.as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn work_that_is_dropped_half_way_harms_no_other() {
    let (_suite, config, source) = source("halfway").await;
    let clones = Clones::open(&config, &source).await.unwrap();
    for patience in [0, 1, 2, 5, 10, 20] {
        tokio::time::timeout(Duration::from_millis(patience), clones.create())
            .await
            .ok();
    }
    let clone: CloneDb = clones.create().await.unwrap();
    assert_eq!(count(clone.config()).await.as_deref(), Some("1"));
    // A connection that was killed is made anew, too.
    admin().await.simple("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%halfway%'").await.unwrap();
    clones.create().await.ok();
    clones.create().await.unwrap();
}

#[tokio::test]
async fn clones_of_what_is_gone_are_an_error() {
    let (_suite, config, source) = source("gone").await;
    let clones = Clones::open(&config, &source).await.unwrap();
    admin()
        .await
        .simple(&format!("DROP DATABASE \"{}\"", source.name()))
        .await
        .unwrap();
    let error = clones.create().await.unwrap_err();
    assert!(
        whole(&error).contains("does not exist"),
        "{}",
        whole(&error)
    );
    assert!(matches!(error, TemplateError::Refused { .. }));
}
