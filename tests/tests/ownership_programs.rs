//! Random programs of owners, heirs, an allowed task and strangers on two repos, against a model that a person can read.
//! `HEIRLOOM_SEED` repeats a run. A binary of its own: nothing may be left in its directory.

use heirloom::{
    Checkin, Checkout, Error, FutureExt as _, Mode, ModeChange, Owner, Repo, Sandbox, StartedOwner,
};
use heirloom_tests::{MIGRATOR, Random, file_of, files_below, insert, nobodys, ours, test};
use sqlx::Sqlite;
use std::path::PathBuf;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};

static REPOS: [Repo<Sqlite>; 2] = [
    Repo::named("programs_one").migrator(&MIGRATOR),
    Repo::named("programs_two").migrator(&MIGRATOR),
];

const PROGRAMS: u32 = 250;
const STEPS: u32 = 40;
const OWNERS: usize = 3;

/// What using a repo comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Rows(Vec<String>),
    SessionEnded,
    Ownership,
}

fn seen(result: sqlx::Result<Vec<String>>) -> Seen {
    match result {
        Ok(rows) => Seen::Rows(rows),
        Err(error) => match ours(&error) {
            Error::SessionEnded { .. } => Seen::SessionEnded,
            Error::Ownership { .. } => Seen::Ownership,
            other => panic!("not foreseen: {other:?}"),
        },
    }
}

/// Adds a row, if one is given, and reads all.
async fn uses(repo: usize, row: Option<String>) -> sqlx::Result<Vec<String>> {
    if let Some(row) = row {
        insert(&REPOS[repo], &row).await?;
    }
    let all = sqlx::query_scalar("SELECT email FROM guests ORDER BY id");
    all.fetch_all(&REPOS[repo]).await
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task of nobody's, which does what it is told.
fn worker() -> (mpsc::UnboundedSender<Work>, tokio::task::JoinHandle<()>) {
    let (tell, mut told) = mpsc::unbounded_channel::<Work>();
    let task = nobodys().spawn(async move {
        while let Some(work) = told.recv().await {
            work.await;
        }
    });
    (tell, task)
}

/// As the owner itself, or as one of its heirs.
async fn as_role<T: Send + 'static>(
    owner: &Owner,
    heir: bool,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let work = async {
        if heir {
            let heir = tokio::spawn(heirloom::owned(work));
            heir.await.expect("no panic")
        } else {
            work.await
        }
    };
    work.owned_by(owner).await
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Session {
    #[default]
    Never,
    Open(Vec<String>),
    GivenBack,
}

impl Session {
    fn given_back(&mut self) {
        if matches!(self, Self::Open(_)) {
            *self = Self::GivenBack;
        }
    }

    fn uses(&mut self, row: Option<String>) -> Seen {
        if *self == Self::Never {
            *self = Self::Open(Vec::new());
        }
        match self {
            Self::Open(rows) => {
                rows.extend(row);
                Seen::Rows(rows.clone())
            }
            _ => Seen::SessionEnded,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Auto,
    Manual,
    Shared(usize),
}

struct Slot {
    owner: StartedOwner,
    sessions: [Session; 2],
}

struct Program {
    random: Random,
    slots: [Option<Slot>; OWNERS],
    modes: [Is; 2],
    allowed: Option<usize>,
    rows: u32,
    files: Vec<PathBuf>,
    log: Vec<String>,
}

impl Program {
    fn flip(&mut self) -> bool {
        self.random.below(2) == 0
    }

    fn pick(&mut self, below: usize) -> usize {
        let below = u64::try_from(below).expect("small");
        usize::try_from(self.random.below(below)).expect("small")
    }

    fn row(&mut self) -> Option<String> {
        self.rows += 1;
        let row = format!("{}@example.org", self.rows);
        self.flip().then_some(row)
    }

    async fn step(&mut self, tell: &mpsc::UnboundedSender<Work>, task: tokio::task::Id) {
        let (slot, repo) = (self.pick(OWNERS), self.pick(2));
        let heir = self.random.below(4) == 0;
        match self.random.below(12) {
            0 | 1 => self.start(slot).await,
            2 => self.stop(slot).await,
            3 => self.checkout(slot, repo, heir).await,
            4 => self.checkin(slot, repo, heir).await,
            5..=7 => self.uses(slot, repo, heir).await,
            8 => self.stranger_uses(repo, None).await,
            9 => self.stranger_uses(repo, Some(tell)).await,
            10 => self.allow(slot, task),
            _ => self.set_mode(slot, repo, heir).await,
        }
    }

    async fn start(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            return;
        }
        let mut start = Owner::start(format!("programs::slot_{slot}"));
        let mut sessions = [Session::Never, Session::Never];
        for repo in 0..2 {
            if self.flip() {
                start = start.repo(&REPOS[repo]);
                sessions[repo] = Session::Open(Vec::new());
            }
        }
        self.log.push(format!("start {slot}: {sessions:?}"));
        let owner = start.await.expect("it starts");
        self.slots[slot] = Some(Slot { owner, sessions });
    }

    async fn stop(&mut self, slot: usize) {
        let Some(Slot { owner, sessions }) = self.slots[slot].take() else {
            return;
        };
        self.log.push(format!("stop {slot}"));
        let mut files = Vec::new();
        for (repo, session) in REPOS.iter().zip(&sessions) {
            if matches!(session, Session::Open(_)) {
                files.push(file_of(repo).owned_by(&owner).await.expect("it is open"));
            }
        }
        owner.stop().await.expect("nobody holds anything");
        for file in &files {
            assert!(!file.exists(), "{} is left", file.display());
        }
        self.files.extend(files);
        for mode in &mut self.modes {
            if *mode == Is::Shared(slot) {
                *mode = Is::Manual;
            }
        }
        self.allowed = self.allowed.filter(|allowed| *allowed != slot);
    }

    async fn checkout(&mut self, slot: usize, repo: usize, heir: bool) {
        let Some(Slot { owner, sessions }) = &mut self.slots[slot] else {
            return;
        };
        self.log
            .push(format!("checkout {slot} {repo}, heir: {heir}"));
        let expected = match &mut sessions[repo] {
            _ if heir => Checkout::AlreadyAllowed,
            Session::Open(_) => Checkout::AlreadyOwner,
            session => {
                *session = Session::Open(Vec::new());
                Checkout::New
            }
        };
        let got = as_role(owner, heir, async move { REPOS[repo].checkout().await }).await;
        assert_eq!(got.expect("it opens"), expected);
    }

    async fn checkin(&mut self, slot: usize, repo: usize, heir: bool) {
        let Some(Slot { owner, sessions }) = &mut self.slots[slot] else {
            return;
        };
        self.log
            .push(format!("checkin {slot} {repo}, heir: {heir}"));
        let expected = match &mut sessions[repo] {
            _ if heir => Checkin::NotOwner,
            session @ Session::Open(_) => {
                session.given_back();
                if self.modes[repo] == Is::Shared(slot) {
                    self.modes[repo] = Is::Manual;
                }
                Checkin::Ok
            }
            _ => Checkin::NotFound,
        };
        let got = as_role(owner, heir, async move { REPOS[repo].checkin().await }).await;
        assert_eq!(got.expect("it closes"), expected);
    }

    async fn uses(&mut self, slot: usize, repo: usize, heir: bool) {
        let row = self.row();
        let Some(Slot { owner, sessions }) = &mut self.slots[slot] else {
            return;
        };
        self.log
            .push(format!("use {slot} {repo}, heir: {heir}, {row:?}"));
        let got = as_role(owner, heir, uses(repo, row.clone())).await;
        assert_eq!(seen(got), sessions[repo].uses(row));
    }

    /// By somebody whom nobody owns, or by the worker, who may have been allowed.
    async fn stranger_uses(&mut self, repo: usize, worker: Option<&mpsc::UnboundedSender<Work>>) {
        let row = self.row();
        let allowed = worker.and(self.allowed);
        self.log
            .push(format!("stranger {repo}, allowed: {allowed:?}, {row:?}"));
        let whose = match (allowed, self.modes[repo]) {
            (Some(slot), _) | (None, Is::Shared(slot)) => Some(slot),
            (None, _) => None,
        };
        let got = match worker {
            None => nobodys()
                .spawn(uses(repo, row.clone()))
                .await
                .expect("no panic"),
            Some(tell) => {
                let (answer, answered) = oneshot::channel();
                let added = row.clone();
                let work = async move { answer.send(uses(repo, added).await).expect("waited for") };
                tell.send(Box::pin(work)).expect("it runs");
                answered.await.expect("it answers")
            }
        };
        let slot = whose.and_then(|slot| self.slots[slot].as_mut());
        let expected = match slot {
            Some(slot) => slot.sessions[repo].uses(row),
            None => Seen::Ownership,
        };
        assert_eq!(seen(got), expected);
    }

    fn allow(&mut self, slot: usize, task: tokio::task::Id) {
        let reassign = self.flip();
        let Some(Slot { owner, .. }) = &self.slots[slot] else {
            return;
        };
        self.log.push(format!("allow {slot}, reassign: {reassign}"));
        if reassign {
            owner.reassign(task).expect("always");
        } else {
            let free = self.allowed.is_none_or(|allowed| allowed == slot);
            assert_eq!(owner.allow(task).is_ok(), free);
            if !free {
                return;
            }
        }
        self.allowed = Some(slot);
    }

    async fn set_mode(&mut self, slot: usize, repo: usize, heir: bool) {
        let (wanted, mode) = match (self.random.below(6), &self.slots[slot]) {
            (0, _) => (Is::Manual, Mode::Manual),
            (1, _) => (Is::Auto, Mode::Auto),
            (_, None) => return,
            (_, Some(slot_of)) => (Is::Shared(slot), Mode::Shared(Owner::clone(&slot_of.owner))),
        };
        let now = self.modes[repo];
        let is_open = matches!(
            self.slots[slot].as_ref().map(|slot| &slot.sessions[repo]),
            Some(Session::Open(_))
        );
        let shares = matches!(wanted, Is::Shared(_));
        let expected = match now {
            _ if now == wanted => ModeChange::Ok,
            Is::Shared(_) if shares => ModeChange::AlreadyShared,
            _ if shares && !is_open => ModeChange::NotFound,
            _ if shares && heir => ModeChange::NotOwner,
            _ => ModeChange::Ok,
        };
        self.log.push(format!(
            "mode of {repo}: {wanted:?} by {slot}, heir: {heir}"
        ));
        let set = async move { REPOS[repo].set_mode(mode).await };
        let got = match &self.slots[slot] {
            Some(slot) => as_role(&slot.owner, heir, set).await,
            None => set.await,
        };
        assert_eq!(got.expect("nobody holds anything"), expected);
        if expected == ModeChange::Ok && now != wanted {
            self.modes[repo] = wanted;
            for (index, other) in self.slots.iter_mut().enumerate() {
                if let Some(other) = other
                    && !(shares && index == slot)
                {
                    other.sessions[repo].given_back();
                }
            }
        }
    }

    async fn ends(&mut self) {
        for slot in 0..self.slots.len() {
            self.stop(slot).await;
        }
        for repo in &REPOS {
            assert_eq!(
                repo.set_mode(Mode::Manual).await.expect("set"),
                ModeChange::Ok
            );
        }
        self.modes = [Is::Manual; 2];
    }
}

/// Prints what led to it when a step fails.
struct Told<'a>(&'a mut Program, u32);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("program {}:\n  {}", self.1, self.0.log.join("\n  "));
        }
    }
}

static ONE_BY_ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn every_owner_sees_its_own_rows_and_nobody_elses_whatever_is_done() {
    let _turn = ONE_BY_ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut program = Program {
        random: Random::seeded(),
        slots: [const { None }; OWNERS],
        modes: [Is::Manual; 2],
        allowed: None,
        rows: 0,
        files: Vec::new(),
        log: Vec::new(),
    };
    let running = &mut program;
    drop(test("programs::driver").run(|_: Sandbox| async move {
        for number in 0..PROGRAMS {
            running.log.clear();
            let (tell, task) = worker();
            let told = Told(running, number);
            for _ in 0..STEPS {
                told.0.step(&tell, task.id()).await;
            }
            told.0.ends().await;
            drop(tell);
            task.await?;
        }
        Ok(())
    }));
    assert!(program.files.len() > 100, "or nothing has happened");
    let run = program.files[0].parent().expect("a directory");
    assert_eq!(files_below(run), [] as [&str; 0], "left behind");
}

#[test]
fn owners_that_run_at_once_see_their_own_rows_while_somebody_changes_modes() {
    let _turn = ONE_BY_ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut random = Random::seeded();
    let mut left = None;
    let out = &mut left;
    drop(
        test("programs::at_once")
            .multi_thread()
            .worker_threads(4)
            .run(|_: Sandbox| async move {
                let owners: Vec<_> = (0..4)
                    .map(|number| tokio::spawn(lives(number, random.below(u64::MAX))))
                    .collect();
                let mut mode = Mode::Auto;
                while !owners.iter().all(tokio::task::JoinHandle::is_finished) {
                    for _ in 0..random.below(500) {
                        tokio::task::yield_now().await;
                    }
                    let repo = &REPOS[usize::try_from(random.below(2))?];
                    assert_eq!(repo.set_mode(mode.clone()).await?, ModeChange::Ok);
                    mode = if mode == Mode::Auto {
                        Mode::Manual
                    } else {
                        Mode::Auto
                    };
                }
                for owner in owners {
                    *out = Some(owner.await??);
                }
                for repo in &REPOS {
                    assert_eq!(repo.set_mode(Mode::Manual).await?, ModeChange::Ok);
                }
                Ok(())
            }),
    );
    let run = left.expect("a directory");
    assert_eq!(files_below(&run), [] as [&str; 0], "left behind");
}

/// Starts and stops owners that insert and read; a session that was taken is checked out anew. The directory of its
/// files.
async fn lives(number: usize, seed: u64) -> Result<PathBuf, sqlx::Error> {
    let mut random = Random::from(seed);
    let mut run = None;
    for life in 0..20 {
        let owner = Owner::start(format!("programs::{number}_{life}")).await?;
        let lived = async {
            let mut rows = [Vec::new(), Vec::new()];
            for step in 0..30 {
                let repo = usize::try_from(random.below(2)).expect("small");
                let row = format!("{number}.{life}.{step}@example.org");
                let use_it = uses(repo, Some(row.clone()));
                let used = match random.below(2) {
                    0 => use_it.await,
                    _ => tokio::spawn(heirloom::owned(use_it))
                        .await
                        .expect("no panic"),
                };
                rows[repo].push(row);
                match seen(used) {
                    Seen::Rows(all) => assert_eq!(all, rows[repo]),
                    Seen::SessionEnded => {
                        checked_out_anew(repo).await;
                        rows[repo].clear();
                    }
                    Seen::Ownership => panic!("it has an owner"),
                }
                if let Ok(file) = file_of(&REPOS[repo]).await {
                    run = file.parent().map(PathBuf::from);
                }
            }
            Ok::<_, Error>(())
        };
        lived.owned_by(&owner).await?;
        owner.stop().await?;
    }
    Ok(run.expect("some session was open for long enough"))
}

/// A checkout whose session is taken before it is done says so.
async fn checked_out_anew(repo: usize) {
    loop {
        match REPOS[repo].checkout().await {
            Ok(checkout) => return assert_eq!(checkout, Checkout::New),
            Err(Error::SessionEnded { .. }) => {}
            Err(other) => panic!("not foreseen: {other:?}"),
        }
    }
}
