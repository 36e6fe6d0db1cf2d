//! What one client says to both servers.

use crate::message::Message;
use std::fmt;

/// Messages that are sent without waiting for an answer in between; the last of them makes the server answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What is sent.
    pub messages: Vec<Message>,
    /// How many bytes go at a time, over and over; none: all at once.
    pub chunks: Vec<usize>,
    /// What is copied in when the server asks for data that `messages` does not have.
    pub copies: Vec<Vec<Message>>,
}

/// Batches, each of which is sent when the one before it has been answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is sent, in order.
    pub batches: Vec<Batch>,
}

impl Batch {
    /// Of one query string.
    #[must_use]
    pub fn query(sql: impl Into<String>) -> Self {
        Self::of(vec![Message::Query(vec![sql.into()])])
    }

    /// Of one statement, without parameters, by the extended protocol.
    #[must_use]
    pub fn extended(sql: &str) -> Self {
        Self::of(vec![
            Message::Parse {
                name: String::new(),
                sql: sql.to_owned(),
                types: Vec::new(),
            },
            Message::Bind {
                portal: String::new(),
                statement: String::new(),
                formats: Vec::new(),
                values: Vec::new(),
                results: Vec::new(),
            },
            Message::Execute(String::new(), 0),
            Message::Sync,
        ])
    }

    /// Of these messages, sent at once.
    #[must_use]
    pub fn of(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }

    /// How many statements are in it.
    #[must_use]
    pub fn statements(&self) -> usize {
        let each = self.messages.iter().map(|message| match message {
            Message::Query(pieces) => pieces.len(),
            Message::Execute(..) => 1,
            _ => 0,
        });
        each.sum()
    }
}

impl Script {
    /// How many statements are in it.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.batches.iter().map(Batch::statements).sum()
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in &self.messages {
            writeln!(f, "    {message}")?;
        }
        for (index, copy) in self.copies.iter().enumerate() {
            writeln!(f, "    when asked for data ({}):", index + 1)?;
            for message in copy {
                writeln!(f, "      {message}")?;
            }
        }
        match &*self.chunks {
            [] => Ok(()),
            chunks => writeln!(f, "    in chunks of {chunks:?} bytes"),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, batch) in self.batches.iter().enumerate() {
            write!(f, "  batch {}\n{batch}", index + 1)?;
        }
        Ok(())
    }
}
