//! Guests: who may sign the book.

use crate::database::Db;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use sqlx::{Executor, FromRow};

/// Somebody who has signed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Guest {
    /// The row.
    pub id: i64,
    /// As they want to be called.
    pub name: String,
    /// Unique, whatever its case. Shown to nobody.
    pub email: String,
}

/// What a person types to become a guest.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SignUp {
    /// 1 to 80 characters.
    pub name: String,
    /// Something like `ada@example.org`.
    pub email: String,
}

const LONGEST_NAME: usize = 80;
const LONGEST_EMAIL: usize = 254;

impl SignUp {
    fn checked(&self) -> Result<(&str, &str), Error> {
        let (name, email) = (self.name.trim(), self.email.trim());
        let wrong = if name.is_empty() {
            "please give your name".to_owned()
        } else if name.chars().count() > LONGEST_NAME {
            format!("a name has at most {LONGEST_NAME} characters")
        } else if !looks_like_email(email) {
            format!("`{email}` is not an e-mail address; write it like ada@example.org")
        } else {
            return Ok((name, email));
        };
        Err(Error::Invalid(wrong))
    }
}

/// Enough to catch a slip of the finger. Whether an address works is only known once a letter has arrived.
fn looks_like_email(email: &str) -> bool {
    let Some((person, host)) = email.split_once('@') else {
        return false;
    };
    let is_host = host.contains('.') && !host.starts_with('.') && !host.ends_with('.');
    let is_plain = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    !person.is_empty() && is_host && !host.contains('@') && is_plain && email.len() <= LONGEST_EMAIL
}

/// Makes somebody a guest.
///
/// # Errors
///
/// [`Error::Invalid`] when the name or the e-mail cannot be taken, [`Error::EmailTaken`] when another guest has the
/// e-mail, [`Error::Database`].
pub async fn sign_up(db: impl Executor<'_, Database = Db>, new: &SignUp) -> Result<Guest, Error> {
    let (name, email) = new.checked()?;
    sqlx::query_as("INSERT INTO guests (name, email) VALUES ($1, $2) RETURNING id, name, email")
        .bind(name)
        .bind(email)
        .fetch_one(db)
        .await
        .map_err(|error| match error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Error::EmailTaken {
                email: email.to_owned(),
            },
            other => other.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::looks_like_email;

    #[test]
    fn slips_of_the_finger_are_no_email() {
        for email in ["ada@example.org", "a.b+c@mail.example.org"] {
            assert!(looks_like_email(email), "{email}");
        }
        for slip in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "ada@example.",
            "a da@example.org",
            "a@b@c.d",
        ] {
            assert!(!looks_like_email(slip), "{slip}");
        }
    }
}
