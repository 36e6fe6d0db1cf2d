//! Random programs, run against the registry and the model: every answer and everything that can be seen must be the same.

use super::super::Use;
use super::history::{History, Session};
use super::steps::{NAMES, OWNERS, REPOS, Slot, Step, TASKS, Which, Wish, program};
use super::{Mode, OwnerId, RepoId, Tested, Ticket, owner};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// What answers were met, without the numbers in them.
type Answers = BTreeSet<String>;

/// The registry and the model side by side.
struct Both {
    registry: Tested,
    history: History,
    slots: [OwnerId; OWNERS],
    youngest: u64,
    answers: Answers,
}

impl Both {
    /// Two owners run already.
    fn new() -> Self {
        let mut both = Self {
            registry: Tested::new(),
            history: History::default(),
            slots: [owner(1); OWNERS],
            youngest: 1,
            answers: Answers::new(),
        };
        both.start(0);
        both.start(1);
        both
    }

    fn start(&mut self, slot: Slot) {
        self.youngest += 1;
        let id = owner(self.youngest);
        self.slots[slot] = id;
        self.registry.start(id, id);
        self.history.start(id);
    }

    fn run(&mut self, program: &[Step]) -> Result<(), TestCaseError> {
        for step in program {
            self.step(step)?;
            self.look_the_same()?;
        }
        Ok(())
    }

    fn agree<T: Debug + PartialEq>(
        &mut self,
        question: &str,
        found: &T,
        expected: &T,
    ) -> Result<(), TestCaseError> {
        prop_assert_eq!(found, expected);
        let text = format!("{question}: {found:?}");
        let met = text.replace(|c: char| c.is_ascii_digit(), "");
        self.answers.insert(met);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::SuiteStarts | Step::Start(_) | Step::End(_) => self.live(step),
            Step::SetMode(..) | Step::ShareEverywhere(_) => self.change_mode(step),
            Step::Allow(..) | Step::Reassign(..) => self.allow(step),
            Step::ActorStarts(..) | Step::ActorEnds(_) => self.act(step),
            _ => self.use_sessions(step),
        }
    }

    fn live(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::SuiteStarts => {
                self.registry.suite_starts();
                self.history.suite_starts();
            }
            Step::Start(slot) if self.history.runs(self.slots[slot]) => {}
            Step::Start(slot) => self.start(slot),
            Step::End(slot) => {
                let id = self.slots[slot];
                let mut found = self.registry.end(id);
                let mut expected = self.history.end(id, &REPOS);
                for (_, end) in [&mut found, &mut expected].into_iter().flatten() {
                    end.evicted.sort();
                    end.reverted.sort();
                    end.lost.sort_by_key(|target| format!("{target:?}"));
                }
                prop_assert_eq!(&found, &expected);
                if let Some((_, end)) = found {
                    let some = [
                        ("evicted", !end.evicted.is_empty()),
                        ("reverted", !end.reverted.is_empty()),
                        ("was everywhere", end.was_everywhere),
                        ("lost", !end.lost.is_empty()),
                    ];
                    let some = some.iter().filter(|(_, is)| *is);
                    let met = some.map(|(what, _)| format!("end: {what}"));
                    self.answers.extend(met);
                }
            }
            _ => unreachable!("of another kind: {step:?}"),
        }
        Ok(())
    }

    fn use_sessions(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Checkout(slot, role, repo) => {
                let id = self.slots[slot];
                let found = self.registry.checkout(id, role, repo);
                let new = self
                    .history
                    .unseen_ticket(found.and_then(|(_, ticket)| ticket));
                let expected = self.history.checkout(id, role, repo, new);
                self.agree("checkout", &found, &expected)
            }
            Step::Checkin(slot, role, repo) => {
                let id = self.slots[slot];
                let found = self.registry.checkin(id, role, repo);
                let expected = self.history.checkin(id, role, repo);
                self.agree("checkin", &found, &expected)
            }
            Step::Use(slot, repo) => {
                let id = self.slots[slot];
                let found = self.registry.use_of(id, repo);
                let new = self.history.unseen_ticket(match found {
                    Use::Opens(ticket) => Some(ticket),
                    _ => None,
                });
                let expected = self.history.use_of(id, repo, new);
                self.agree("use", &found, &expected)
            }
            Step::Take(slot, repo, which) => {
                let (id, ticket) = (self.slots[slot], self.ticket(slot, repo, which));
                let found = self.registry.take(id, repo, ticket);
                let expected = self.history.take(id, repo, ticket);
                self.agree("take", &found, &expected)
            }
            Step::NotOpened(slot, repo, which) => {
                let (id, ticket) = (self.slots[slot], self.ticket(slot, repo, which));
                let found = self.registry.not_opened(id, repo, ticket);
                let expected = self.history.not_opened(id, repo, ticket);
                self.agree("not opened", &found, &expected)
            }
            _ => unreachable!("of another kind: {step:?}"),
        }
    }

    fn ticket(&self, slot: Slot, repo: RepoId, which: Which) -> Ticket {
        let own = Some((self.slots[slot], repo));
        let found = match which {
            Which::Last => self.history.tickets(own).next(),
            Which::Older => self.history.tickets(own).nth(1),
            Which::Anybodys => self.history.tickets(None).next(),
        };
        found.unwrap_or(Ticket(0))
    }

    fn change_mode(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::ShareEverywhere(slot) => {
                self.registry.share_everywhere(self.slots[slot]);
                self.history.share_everywhere(self.slots[slot]);
                Ok(())
            }
            Step::SetMode(repo, wish, role) => {
                let mode = match wish {
                    Wish::Auto => Mode::Auto,
                    Wish::Manual => Mode::Manual,
                    Wish::Shared(slot) => Mode::Shared(self.slots[slot]),
                };
                let (found, mut evicted) = self.registry.set_mode(repo, mode, role);
                let (expected, mut evicted_too) = self.history.set_mode(repo, mode, role);
                evicted.sort();
                evicted_too.sort();
                prop_assert_eq!(&evicted, &evicted_too);
                if !evicted.is_empty() {
                    self.answers.insert("set mode: evicted".to_owned());
                }
                self.agree("set mode", &found, &expected)
            }
            _ => unreachable!("of another kind: {step:?}"),
        }
    }

    fn allow(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let (found, expected) = match step {
            Step::Allow(slot, target) => {
                let id = self.slots[*slot];
                let found = self.registry.allow(id, target.clone());
                (found, self.history.allow(id, target))
            }
            Step::Reassign(slot, target) => {
                let id = self.slots[*slot];
                let found = self.registry.reassign(id, target.clone());
                (found, self.history.reassign(id, target))
            }
            _ => unreachable!("of another kind: {step:?}"),
        };
        self.agree("allow", &found, &expected)
    }

    fn act(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::ActorStarts(name, slot) => {
                let born = slot.map(|slot| self.slots[slot]);
                let new = self.registry.actor_starts(name, born);
                prop_assert!(self.history.unseen_actor(new), "{new:?} was there before");
                self.history.actor_starts(name, born, new);
            }
            Step::ActorEnds(nth) => {
                if let Some((actor, _)) = self.history.actors().iter().rev().nth(nth) {
                    self.registry.actor_ends(*actor);
                    self.history.actor_ends(*actor);
                }
            }
            _ => unreachable!("of another kind: {step:?}"),
        }
        Ok(())
    }

    fn look_the_same(&self) -> Result<(), TestCaseError> {
        self.same_owners()?;
        self.same_modes()?;
        self.same_allowances()
    }

    fn same_owners(&self) -> Result<(), TestCaseError> {
        let running = self.history.running();
        let found: Vec<_> = self
            .registry
            .owners()
            .map(|(id, kept)| (id, *kept))
            .collect();
        let expected: Vec<_> = running.iter().map(|id| (*id, *id)).collect();
        prop_assert_eq!(found, expected);
        for id in self.slots {
            let kept = running.contains(&id).then_some(&id);
            prop_assert_eq!(self.registry.owner(id), kept);
            for repo in REPOS {
                prop_assert_eq!(
                    session(&self.registry, id, repo),
                    self.history.session(id, repo)
                );
            }
        }
        Ok(())
    }

    fn same_modes(&self) -> Result<(), TestCaseError> {
        let mut own = Vec::new();
        for repo in REPOS {
            prop_assert_eq!(self.registry.mode(repo), self.history.mode(repo));
            own.extend(self.history.own_mode(repo).map(|mode| (repo, mode)));
        }
        let mut found: Vec<_> = self.registry.modes().collect();
        found.sort_by_key(|(repo, _)| *repo);
        own.sort_by_key(|(repo, _)| *repo);
        prop_assert_eq!(found, own);
        Ok(())
    }

    fn same_allowances(&self) -> Result<(), TestCaseError> {
        let (registry, history) = (&self.registry, &self.history);
        let allowances = registry.allowances();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| (Some(task), history.allowed_task(task)))
            .collect();
        let mut actors = vec![(None, None, None)];
        for (actor, name) in history.actors() {
            prop_assert_eq!(allowances.name_of(actor), name);
            actors.push((Some(actor), name, history.allowed_actor(actor)));
        }
        for (actor, _, by_name) in &actors {
            for (task, by_task) in tasks.iter().chain(&[(None, None)]) {
                let expected = by_name.or(*by_task);
                prop_assert_eq!(registry.allowed(*task, *actor).copied(), expected);
            }
        }
        let standing = NAMES.map(|name| (name, history.standing(name)));
        for id in self.slots {
            let mut found: Vec<_> = allowances.tasks_of(id).collect();
            found.sort_unstable();
            let of = |by: &Option<OwnerId>| *by == Some(id);
            let own = tasks
                .iter()
                .filter_map(|(task, by)| of(by).then_some((*task)?));
            prop_assert_eq!(found, own.collect::<Vec<_>>());

            let mut found: Vec<_> = allowances.names_of(id).collect();
            found.sort_unstable();
            let own = standing.iter().filter(|(_, owners)| owners.contains(&id));
            let own = own.map(|(name, _)| {
                let its = |(_, of, by): &&(_, _, _)| *of == Some(*name) && *by == Some(id);
                (*name, actors.iter().filter(its).count())
            });
            prop_assert_eq!(found, own.collect::<Vec<_>>());
        }
        let nothing = tasks.iter().all(|(_, by)| by.is_none())
            && standing.iter().all(|(_, owners)| owners.is_empty());
        prop_assert_eq!(allowances.len() == 0, nothing);
        Ok(())
    }
}

/// What the registry has of a session, read where it is kept: asking for its use would open it.
fn session(registry: &Tested, id: OwnerId, repo: RepoId) -> Session {
    let Some(record) = registry.owners.get(&id) else {
        return Session::None;
    };
    match record.open.get(&repo) {
        Some(ticket) => Session::Open(*ticket),
        None if record.given_back.contains(&repo) => Session::GivenBack,
        None => Session::Unused,
    }
}

proptest! {
    // `PROPTEST_CASES` may ask for more of them.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(2048),
        // In a build that is not optimised the default, ChaCha, takes longer than everything else here.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_registry_and_the_model_agree_on_every_program(program in program()) {
        Both::new().run(&program)?;
    }
}

/// What programs must meet, or the test above would say nothing about it.
const ANSWERS: &[&str] = &[
    "allow: Err(AllowedBy(OwnerId()))",
    "allow: Err(OwnerEnded)",
    "allow: Ok(())",
    "checkin: (NotFound, None)",
    "checkin: (NotOwner, None)",
    "checkin: (Ok, Some(Ticket()))",
    "checkout: None",
    "checkout: Some((AlreadyAllowed, None))",
    "checkout: Some((AlreadyAllowed, Some(Ticket())))",
    "checkout: Some((AlreadyOwner, Some(Ticket())))",
    "checkout: Some((New, Some(Ticket())))",
    "end: evicted",
    "end: lost",
    "end: reverted",
    "end: was everywhere",
    "not opened: false",
    "not opened: true",
    "set mode: AlreadyShared",
    "set mode: NotFound",
    "set mode: NotOwner",
    "set mode: Ok",
    "set mode: evicted",
    "take: false",
    "take: true",
    "use: Ended",
    "use: GivenBack",
    "use: Open(Ticket())",
    "use: Opens(Ticket())",
];

#[test]
fn programs_meet_every_answer() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut met = Answers::new();
    for _ in 0..200 {
        let program = program().new_tree(&mut runner);
        let program = program.expect("nothing is filtered").current();
        let mut both = Both::new();
        both.run(&program).expect("they agree");
        met.append(&mut both.answers);
    }
    assert_eq!(met.iter().collect::<Vec<_>>(), ANSWERS);
}
