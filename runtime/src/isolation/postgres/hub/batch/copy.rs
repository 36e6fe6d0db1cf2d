//! COPY from the client: both sides speak at once.

use super::{Batch, Lost};
use crate::isolation::postgres::frame::Frame;
use crate::isolation::postgres::hub::client::Parted;
use crate::isolation::postgres::hub::line::State;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// How much of the data may be on its way to the server.
const AHEAD: usize = 1 << 20;

impl Batch<'_> {
    /// Passes the client's data on until it is done, or the server has enough of it: then its answer comes next.
    ///
    /// `sync_sent`: in the extended protocol, whether a Sync came behind the statement. The server leaves it out.
    pub(super) async fn copy_in(&mut self, start: &Frame, sync_sent: bool) -> Result<(), Lost> {
        self.pass(start);
        self.core.session.copy_begins(sync_sent);
        if self.client.flush().await.is_err() {
            self.gone = true;
        }
        while !self.gone {
            if let Some(frame) = self.core.session.take()? {
                if frame.view().tag() != b'N' {
                    self.early = Some(frame);
                    break;
                }
                self.pass(&frame);
                continue;
            }
            let session = &mut self.core.session;
            let full = session.backlog() > AHEAD;
            let client = &mut *self.client;
            let line = Arc::clone(&client.line);
            let running = self.shared.cancels.while_running();
            let event = poll_fn(|cx| {
                let mut at = line.at();
                at.becomes(State::Working);
                if let Poll::Ready(filled) = session.poll_fill(cx) {
                    return Poll::Ready(Event::Filled(filled));
                }
                if full {
                    return Poll::Pending;
                }
                // It keeps nothing between polls, so that a new one is as good as the last.
                let said = client.poll_frame(cx);
                if said.is_pending() && session.backlog() == 0 {
                    client.listens(&mut at);
                }
                said.map(Event::Said)
            });
            let event = event.await;
            drop(running);
            self.shared.cancels_over().await;
            let said = match event {
                Event::Filled(filled) => {
                    filled?;
                    continue;
                }
                Event::Said(said) => said,
            };
            match said {
                Ok(frame) => match frame.view().tag() {
                    // The server pays no attention to them here.
                    b'H' | b'S' => {}
                    b'X' => self.gone = true,
                    tag => {
                        self.core.session.copy(frame.view().bytes());
                        if matches!(tag, b'c' | b'f') {
                            break;
                        }
                    }
                },
                Err(_) => self.gone = true,
            }
        }
        if self.gone {
            self.core.session.copy_fail("the client has hung up");
        }
        self.core.session.copy_ends();
        Ok(())
    }
}

/// What came first.
enum Event {
    /// From the server, or not.
    Filled(Result<(), Lost>),
    /// From the client, or not.
    Said(Result<Frame, Parted>),
}
