//! The page that people see.

use crate::entries::{Entries, Entry, NewEntry};
use crate::guests::SignUp;
use serde::Deserialize;
use std::fmt::Write as _;

/// Good news, from the address of the page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notice {
    Joined,
    Signed,
}

/// What the forms show: nothing at first, what was typed and what is wrong with it later.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    pub(crate) sign_up: SignUp,
    pub(crate) entry: NewEntry,
    pub(crate) notice: Option<Notice>,
    pub(crate) error: Option<String>,
}

/// One page of the book, with the forms above it.
pub(crate) fn render(book: &Entries, forms: &Forms) -> String {
    include_str!("page.html")
        .split("{{")
        .map(|part| match part.split_once("}}") {
            Some((name, rest)) => fill(name.trim(), book, forms) + rest,
            None => part.to_owned(),
        })
        .collect()
}

/// The template's blanks. Only what is made of tags here is not escaped.
fn fill(blank: &str, book: &Entries, forms: &Forms) -> String {
    match blank {
        "said" => said(forms),
        "name" => escape(&forms.sign_up.name),
        "new_email" => escape(&forms.sign_up.email),
        "email" => escape(&forms.entry.email),
        "text" => escape(&forms.entry.text),
        "total" => match book.total {
            1 => "1 entry".to_owned(),
            total => format!("{total} entries"),
        },
        "entries" => book.entries.iter().map(entry).collect(),
        // New entries come on top of the first page.
        "live" if book.page == 1 => " data-live".to_owned(),
        "live" => String::new(),
        "pages" => pages(book),
        other => unreachable!("the template has no blank `{other}`"),
    }
}

fn said(forms: &Forms) -> String {
    match (&forms.error, forms.notice) {
        (Some(error), _) => format!(
            "<p class=\"said wrong\" role=\"alert\" tabindex=\"-1\" autofocus>{}</p>",
            escape(error)
        ),
        (None, Some(Notice::Joined)) => {
            "<p class=\"said\" role=\"status\">Welcome! Now sign the book.</p>".to_owned()
        }
        (None, Some(Notice::Signed)) => {
            "<p class=\"said\" role=\"status\">Thank you for your entry.</p>".to_owned()
        }
        (None, None) => String::new(),
    }
}

fn entry(entry: &Entry) -> String {
    let day = entry.signed_at.split('T').next().unwrap_or_default();
    format!(
        "<li data-id=\"{}\"><p>{}</p><footer><b>{}</b> <time datetime=\"{}\">{}</time></footer></li>\n",
        entry.id,
        escape(&entry.text),
        escape(&entry.name),
        escape(&entry.signed_at),
        escape(day),
    )
}

fn pages(book: &Entries) -> String {
    let mut links = String::new();
    if book.pages == 1 {
        return links;
    }
    let mut link = |page: i64, rel: &str, text: &str| {
        if (1..=book.pages).contains(&page) {
            write!(links, "<a href=\"/?page={page}\" rel=\"{rel}\">{text}</a> ")
                .expect("a string takes text");
        }
    };
    link(book.page - 1, "prev", "newer");
    link(book.page + 1, "next", "older");
    links + &format!("page {} of {}", book.page, book.pages)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guests_write_is_text_and_never_markup() {
        let evil = "<script>alert('hi')</script> & {{ text }}";
        let entry = Entry {
            id: 1,
            name: evil.to_owned(),
            text: evil.to_owned(),
            signed_at: "2026-01-31T18:30:00Z".to_owned(),
        };
        let book = Entries {
            entries: vec![entry],
            page: 1,
            pages: 1,
            total: 1,
        };
        let html = render(&book, &Forms::default());
        let ours = html.replace("<script src=\"/page.js\" type=\"module\">", "");
        assert!(!ours.contains("<script"), "{html}");
        let escaped = "&lt;script&gt;alert(&#39;hi&#39;)&lt;/script&gt; &amp; {{ text }}";
        assert_eq!(html.matches(escaped).count(), 2, "{html}");
    }
}
