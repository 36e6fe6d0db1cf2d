//! An owner's context in a job's payload, as JSON.

#![cfg(feature = "serde")]

use heirloom::OwnerContext;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    to: String,
    owner: OwnerContext,
}

fn read(owner: &serde_json::Value) -> serde_json::Result<Job> {
    serde_json::from_value(json!({ "to": "ada", "owner": owner }))
}

#[test]
fn nobodys_job_has_null_for_its_owner() {
    let job = Job {
        to: "ada".to_owned(),
        owner: OwnerContext::capture(),
    };
    let written = serde_json::to_string(&job).expect("it is written");
    assert_eq!(written, r#"{"to":"ada","owner":null}"#);
}

#[test]
fn a_job_from_before_there_were_owners_is_nobodys() {
    for old in [r#"{"to":"ada"}"#, r#"{"to":"ada","owner":null}"#] {
        let job: Job = serde_json::from_str(old).expect("it is read");
        assert_eq!(job.owner, OwnerContext::default());
        assert_eq!(job.to, "ada");
    }
}

#[cfg(feature = "sandbox")]
mod in_tests {
    use super::{Job, read};
    use heirloom::{OwnerContext, Sandbox, Test};
    use serde_json::json;

    #[test]
    fn a_tests_job_is_its_own_again_when_it_is_read() {
        let test = Test::here("contexts::job");
        drop(test.run(|sandbox: Sandbox| async move {
            let job = Job {
                to: "ada".to_owned(),
                owner: OwnerContext::capture(),
            };
            let written = serde_json::to_value(&job).expect("it is written");
            let token = sandbox.owner().token().to_string();
            assert_eq!(written, json!({ "to": "ada", "owner": token }));
            let job: Job = serde_json::from_value(written).expect("it is read");
            let worker = job.owner.restore(async { heirloom::current() })?;
            // On a thread that is nobody's.
            let runs = || tokio::runtime::Builder::new_current_thread().build();
            let ran = std::thread::spawn(move || runs().expect("a runtime").block_on(worker));
            let owner = ran.join().expect("no panic");
            assert_eq!(owner.as_ref(), Some(sandbox.owner()));
            Ok(())
        }));
    }

    #[test]
    fn what_is_no_context_is_an_error_that_does_not_repeat_it() {
        for (broken, says) in [
            (
                json!("00112233445566778899aabbccddee"),
                "32 hexadecimal digits",
            ),
            (json!(7), "what an `OwnerContext` was written as"),
            (
                json!({ "owner": "ada" }),
                "what an `OwnerContext` was written as",
            ),
        ] {
            let error = read(&broken).expect_err("it is none").to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("aabbcc"), "{error}");
        }
    }
}

#[cfg(not(feature = "sandbox"))]
#[test]
fn production_takes_whatever_a_payload_holds_for_nobody() {
    for found in [
        json!("00112233445566778899aabbccddeeff"),
        json!("not even a token"),
        json!(7),
        json!({ "owner": ["ada"] }),
        json!([null]),
    ] {
        let job = read(&found).expect("it is read");
        assert_eq!(job.owner, OwnerContext::default());
    }
}
