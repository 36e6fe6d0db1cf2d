//! What a server said to one batch, and whether two of them said the same.

mod fields;

use crate::message::Frame;
use std::fmt;
use std::time::Duration;

/// Something a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame, as it came.
    Frame(Frame),
    /// A parameter whose value is another one than the server told before.
    Parameter(Vec<u8>, Vec<u8>),
    /// The frame before this answers nothing that was asked.
    Unexpected,
    /// The connection ended.
    Closed(String),
    /// Something has not been answered for so long.
    Silence(Duration),
}

/// Everything a client saw in answer to one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    events: Vec<Event>,
}

impl Transcript {
    pub(crate) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// What was seen, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether there is an error in it.
    #[must_use]
    pub fn failed(&self) -> bool {
        let is_error = |event: &Event| matches!(event, Event::Frame(frame) if frame.tag == b'E');
        self.events.iter().any(is_error)
    }

    /// What was answered, without particulars: tags of commands, codes of errors and notices, states.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = String> + '_ {
        self.events.iter().filter_map(|event| match event {
            Event::Frame(frame) => fields::kind(frame.tag, &frame.body),
            Event::Parameter(name, _) => Some(format!("parameter {}", name.escape_ascii())),
            _ => None,
        })
    }

    /// Whether the other one says the same, but for what no two sessions have in common.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (one, other) = (&self.events, &other.events);
        let alike = |(one, other): (&Event, &Event)| one == other || told(one) == told(other);
        one.len() == other.len() && one.iter().zip(other).all(alike)
    }

    /// Both, line by line; `!` marks the lines that differ.
    #[must_use]
    pub fn beside(&self, other: &Self) -> String {
        let lines = |transcript: &Self| transcript.events.iter().map(told).collect::<Vec<_>>();
        let (one, other) = (lines(self), lines(other));
        let line = |index: usize| match (one.get(index), other.get(index)) {
            (Some(one), Some(other)) if one == other => format!("    both: {one}\n"),
            (one, other) => {
                let (one, other) = (one.map_or("-", |one| one), other.map_or("-", |other| other));
                format!("  ! reference: {one}\n  ! candidate: {other}\n")
            }
        };
        (0..one.len().max(other.len())).map(line).collect()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events
            .iter()
            .try_for_each(|event| writeln!(f, "    {}", told(event)))
    }
}

/// An event in words, without what differs between any two sessions.
fn told(event: &Event) -> String {
    match event {
        Event::Frame(frame) => fields::told(frame.tag, &frame.body),
        Event::Parameter(name, value) => format!(
            "ParameterStatus {} = '{}'",
            name.escape_ascii(),
            value.escape_ascii()
        ),
        Event::Unexpected => "(that answers nothing)".to_owned(),
        Event::Closed(why) => format!("(closed: {why})"),
        Event::Silence(time) => format!("(no answer for {time:?})"),
    }
}
