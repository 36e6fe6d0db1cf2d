//! The attributes of [`heirloom`](https://docs.rs/heirloom), which re-exports them. Use them from there.
//!
//! Every attribute parses what was written, checks it against a list of rules, and expands only what passed. All
//! mistakes of one item are reported at once, and the item itself is given back so that one mistake stays one error.

mod args;
mod ctx;
mod deny;
mod diag;
mod item;
mod owned_task;
mod rewrite;
mod sandboxed;
mod spawns;
#[cfg(test)]
mod tests;
mod unowned;

use proc_macro::TokenStream;

/// Turns a function into a test that owns its own view of the database; every task it starts inherits it.
///
/// The function is usually `async`. Its arguments come from `FromSandbox`; it returns `()`, a `Result`, or anything
/// else that implements `Termination`. Attributes such as `#[ignore]` and `#[should_panic]` keep working.
///
/// ```ignore
/// #[heirloom::sandboxed(migrations = "./migrations", fixtures("users"))]
/// async fn a_user_can_sign_in(pool: SqlitePool) -> anyhow::Result<()> {
///     tokio::spawn(async move { /* sees this test's rows */ }).await?;
///     Ok(())
/// }
/// ```
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `migrations = "dir"` or `false` | directory of migrations, relative to `Cargo.toml`; `false` for none | `./migrations`, if it exists; in it the directory `sqlite` or `postgres`, if there is one for the test's database |
/// | `migrator = path` | a `static` `Migrator` instead of a directory; `"path"` in quotes as well | none |
/// | `fixtures("a", "b")`, `fixtures("./a.sql")`, `fixtures(path = "dir", scripts("a"))` | SQL scripts that run before the test, in the forms of `#[sqlx::test]` | none |
/// | `isolation = "transaction"` | a transaction that is never committed; not on SQLite | the database's own |
/// | `isolation = "database"` | a private copy of the migrated database | the database's own |
/// | `isolation = "none"` | a real database outside the sandbox, shared with every other such test of the process; what is committed stays | the database's own |
/// | `shared = true` or `false` | the test runs alone, and code that nobody owns uses its sessions | `false` |
/// | `flavor = "current_thread"` or `"multi_thread"` | the runtime | `"current_thread"` |
/// | `worker_threads = n` | threads of a `"multi_thread"` runtime | tokio's |
/// | `start_paused = true` or `false` | tokio's clock stands still, except when there is nothing left to do but wait; what PostgreSQL does in the default isolation is waited for | `false` |
/// | `ownership_timeout = "90s"` | how long the test may keep its database, after which it is taken away; units `ms`, `s`, `m`, at most `"60m"` | `"120s"` |
/// | `drain = "settle"` | at its end the test waits until nothing of it is running, woken or in flight, then drops what waits | `"settle"` |
/// | `drain = "join"` | it waits until every task has ended, except actors, which have a name | `"settle"` |
/// | `drain = "abort"` | it drops its tasks as they are | `"settle"` |
/// | `drain_timeout = "5s"` | how long the test's tasks may take for that; units `ms`, `s`, `m`, at most `"60m"` | `"5s"` |
/// | `spawns = "inherit"` or `"deny"` | whether a spawn inherits the test's owner or is a compile error | `"inherit"` |
/// | `allow(path, ..)` | spawns that `spawns = "deny"` lets pass | none |
/// | `crate = path` | where `heirloom` is, if renamed | `::heirloom` |
///
/// # With rstest
///
/// Put `#[sandboxed]` above `#[rstest]`. Arguments that carry an rstest attribute (`#[case]`, `#[values]`, `#[from]`, …)
/// are rstest's; all others come from `FromSandbox`. With `#[rstest]` on top, write `#[heirloom::test]` below it (rstest
/// knows a test attribute by that name) and mark the arguments that come from `FromSandbox` with `#[ignore]`; rstest
/// then moves the body out of reach, so its spawn sites are not rewritten.
#[proc_macro_attribute]
pub fn sandboxed(args: TokenStream, item: TokenStream) -> TokenStream {
    sandboxed::run("sandboxed", args.into(), item.into()).into()
}

/// Another name for [`macro@sandboxed`], for tools that look for attributes called `test`.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    sandboxed::run("test", args.into(), item.into()).into()
}

/// Makes the tasks that this code starts inherit the owner of whoever calls it.
///
/// Goes on an `async fn`, a `fn`, an `impl` block, a `trait` with default bodies, or an inline `mod`. The future of an
/// annotated `async fn` captures its owner **when it is called**, so `tokio::spawn(worker(pool))` inherits even in
/// code that is not annotated. A future that a `fn` returns as `Box::pin(async ..)` or `async ..` counts as well; that
/// is also what `#[async_trait]` makes of its methods. Spawn sites in the body hand the owner on.
///
/// Without the `sandbox` feature only the caller's `tracing` span is kept.
///
/// ```ignore
/// #[heirloom::owned_task]
/// async fn welcome(pool: SqlitePool, email: String) -> sqlx::Result<()> { /* .. */ }
/// ```
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `name = "pricing"` | the name of the actor, by which owners allow it to use their sessions | none |
/// | `crate = path` | where `heirloom` is, if renamed | `::heirloom` |
///
/// # Actors
///
/// A name belongs to one function. On an `async fn`, its future is the actor. On a `fn`, every task it spawns is, and so
/// is the future it returns. What an actor spawns, be it inside the `async fn` or inside the work that the `fn` spawns,
/// is its child and has no name; nor has what is marked `#[unowned("why")]`. An `async` block in such a `fn` counts as
/// the work of some task, so what is spawned in there is a child as well. A name that
/// no task takes is an error.
///
/// ```ignore
/// #[heirloom::owned_task(name = "pricing")]
/// fn start_pricing(pool: SqlitePool) -> JoinHandle<()> {
///     tokio::spawn(async move { /* the actor `pricing` */ })
/// }
/// ```
#[proc_macro_attribute]
pub fn owned_task(args: TokenStream, item: TokenStream) -> TokenStream {
    owned_task::run(args.into(), item.into()).into()
}

/// Marks a spawn inside `#[sandboxed]` or `#[owned_task]` code whose task belongs to nobody, and says why.
///
/// Goes on an expression statement, a `let`, a block, a match arm or an item. If such a task uses the database, that is
/// a clean `Error::Ownership`.
///
/// ```ignore
/// #[heirloom::owned_task]
/// async fn start(pool: SqlitePool) {
///     #[unowned("metrics outlive every test and use no database")]
///     tokio::spawn(report_metrics());
/// }
/// ```
#[proc_macro_attribute]
pub fn unowned(_reason: TokenStream, item: TokenStream) -> TokenStream {
    unowned::run(item.into()).into()
}

/// Makes every spawn outside `#[sandboxed]` and `#[owned_task]` code of this crate a compile error.
///
/// Write it once in the crate's root. It reads the sources at compile time, beginning with the file it stands in,
/// follows every `mod name;` (those behind a `#[cfg]` too), and reports each spawn as `file:line:column`.
///
/// ```ignore
/// heirloom::deny_unowned_spawns!();
/// ```
#[proc_macro]
pub fn deny_unowned_spawns(args: TokenStream) -> TokenStream {
    let root = proc_macro::Span::call_site().local_file();
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(std::path::PathBuf::from);
    deny::run(&args.into(), root, manifest.as_deref()).into()
}
