use super::*;
use crate::isolation::postgres::upstream::tests::Throwaway;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of migrations that goes with this.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let process = std::process::id();
        let dir = std::env::temp_dir().join(format!("heirloom-templates-{process}-{name}"));
        std::fs::create_dir_all(&dir).unwrap();
        for (file, sql) in files {
            std::fs::write(dir.join(file), sql).unwrap();
        }
        Self(dir)
    }

    fn schema(&self) -> Schema {
        Schema::Directory(self.0.clone())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn ask(role: &str, base: &str, schema: Schema) -> Ask {
    Ask {
        config: Throwaway::get().unix(role, base),
        schema,
        extensions: Vec::new(),
        purpose: Purpose::Sessions,
    }
}

/// Every asker with a runtime of its own, as tests have.
fn asked(ask: Ask) -> Result<Arc<Ready>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(of(ask, "shop::sells"))
}

const GOODS: (&str, &str) = ("1_goods.sql", "CREATE TABLE goods (name text)");

#[test]
fn all_who_ask_at_once_share_one() {
    let dir = Dir::new("share", &[GOODS]);
    let askers: Vec<_> = (0..8)
        .map(|_| {
            let ask = ask("creator", "share", dir.schema());
            std::thread::spawn(|| asked(ask).unwrap())
        })
        .collect();
    let found: Vec<_> = askers.into_iter().map(|one| one.join().unwrap()).collect();
    assert!(found.iter().all(|one| Arc::ptr_eq(one, &found[0])));
    assert!(!found[0].is_as_it_is());
    assert!(found[0].take_first().is_some() && found[0].take_first().is_none());
    // What is in the directory later is another process's business.
    std::fs::write(dir.0.join("2_broken.sql"), "nonsense").unwrap();
    let again = asked(ask("creator", "share", dir.schema())).unwrap();
    assert!(Arc::ptr_eq(&again, &found[0]));
    let source = Ask {
        purpose: Purpose::Source,
        ..ask("creator", "share", dir.schema())
    };
    let source = asked(source).unwrap();
    assert_ne!(source.template().name(), found[0].template().name());
    assert!(source.take_first().is_none());
}

#[test]
fn a_failure_is_each_askers_own_and_the_next_tries_again() {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    static ONCE: Once<u32> = Once::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let find = || async {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        if tried == 0 {
            return Err(Error::NotAlone {
                owner: "unlucky".to_owned(),
            });
        }
        Ok(tried)
    };
    runtime.block_on(async {
        ONCE.get("key".to_owned(), find).await.unwrap_err();
        assert_eq!(*ONCE.get("key".to_owned(), find).await.unwrap(), 1);
        assert_eq!(*ONCE.get("key".to_owned(), find).await.unwrap(), 1);
        assert_eq!(*ONCE.get("other".to_owned(), find).await.unwrap(), 2);
    });
}

#[test]
fn a_migration_that_fails_is_named_with_its_file() {
    let dir = Dir::new("fails", &[GOODS, ("2_add_colour.sql", "ALTER TABEL goods")]);
    let error = asked(ask("creator", "fails", dir.schema())).unwrap_err();
    let text = format!("{error:?}");
    for part in [
        "migration 2",
        "add colour",
        "2_add_colour.sql",
        "syntax error",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn without_migrations_it_is_the_database_itself() {
    let ready = asked(ask("trusted", "postgres", Schema::Empty)).unwrap();
    assert!(ready.is_as_it_is());
    assert_eq!(ready.template().name(), "postgres");
    assert!(ready.take_first().is_some());
    let error = asked(ask("humble", "missing", Schema::Empty)).unwrap_err();
    let text = format!("{error:?}");
    for part in ["`shop::sells`", "3D000", "createdb missing"] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn what_the_role_may_not_is_told_for_whom() {
    let dir = Dir::new("right", &[GOODS]);
    let error = asked(ask("humble", "right", dir.schema())).unwrap_err();
    let text = format!("{error:?}");
    for part in ["`shop::sells`", "CREATEDB", "migrations = false"] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}
