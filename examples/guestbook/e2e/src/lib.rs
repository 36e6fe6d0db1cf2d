//! The guestbook in real browsers: one server for all tests, Chromium through `chromedriver`, and what a test asks for.
//!
//! A browser says whose it is at the end of its user agent, so every request of it, and every WebSocket, is the test's.

mod browser;
mod chromedriver;
mod server;
mod site;
mod slow;

pub use browser::Browser;
pub use server::address;
pub use site::{Site, TestResult, email};
pub use slow::{Gate, email_at};
