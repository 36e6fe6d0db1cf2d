//! Warm sessions (stub until the real one is merged).

use super::background;
use super::session::{Parked, Session};
use super::templates::{Ready, refused};
use super::upstream::Upstream;
use crate::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

static IDLE: Mutex<Vec<(String, Parked)>> = Mutex::new(Vec::new());

pub(super) async fn take(ready: &Arc<Ready>, who: &str) -> Result<Parked, Error> {
    let key = ready.template().name().to_owned();
    {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(|(name, _)| *name == key) {
            return Ok(idle.swap_remove(at).1);
        }
    }
    let config = ready.template().config().clone();
    let made = background::run(async move {
        let upstream = Upstream::connect(&config)
            .await
            .map_err(super::template::TemplateError::from)?;
        let session = Session::start(upstream).await;
        let session = session.map_err(super::template::TemplateError::refused(
            "start a session in",
            config.database(),
        ))?;
        Ok(session.park().expect("parked"))
    });
    made.await.map_err(|error| refused(who, error))
}

pub(super) fn give_back(ready: &Arc<Ready>, session: Session) {
    let key = ready.template().name().to_owned();
    background::spawn(async move {
        let Ok(session) = session.rehome() else {
            return;
        };
        if let Some(parked) = session
            .reset()
            .await
            .and_then(|session| session.park().ok())
        {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((key, parked));
        }
    });
}

pub(super) fn lost(_: &Arc<Ready>) {}
