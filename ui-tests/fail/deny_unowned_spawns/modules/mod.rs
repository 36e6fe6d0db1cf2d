use std::thread::spawn as go;

mod deeper;
#[path = "elsewhere.rs"]
mod by_path;
#[cfg(any())]
mod behind_cfg;

pub fn start() {
    go(|| {});
    deeper::start();
    by_path::start();
}

#[heirloom::owned_task]
impl deeper::Worker {
    pub fn covered(&self) {
        std::thread::spawn(|| {});
    }
}
