//! What a process finds out once.

use super::background;
use crate::error::Error;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// What is found out once for each key. Whoever asks meanwhile waits for it, and who asks after a failure tries again.
pub(super) struct Once<T>(Mutex<Option<HashMap<String, Cell<T>>>>);

type Cell<T> = Arc<OnceCell<Arc<T>>>;

impl<T: Send + Sync + 'static> Once<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Found out on the background runtime, so that nobody who gives up waiting takes it away from the others.
    pub(super) async fn get<F, Fut>(&self, key: String, find: F) -> Result<Arc<T>, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send,
    {
        let cell = self.cell(key);
        if let Some(known) = cell.get() {
            return Ok(Arc::clone(known));
        }
        background::run(async move {
            let find = || async move { find().await.map(Arc::new) };
            cell.get_or_try_init(find).await.cloned()
        })
        .await
    }

    fn cell(&self, key: String) -> Cell<T> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.get_or_insert_default().entry(key).or_default())
    }
}
