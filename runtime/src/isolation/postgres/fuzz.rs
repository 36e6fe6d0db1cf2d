//! What is fuzzed: any bytes in, no panic out. `fuzz/` has cargo-fuzz's targets, and every test run makes a bounded one.

use super::{frame, sql};

/// Bytes as frames of the wire protocol; see [`frame::fuzz`].
pub(crate) fn frames(bytes: &[u8]) {
    frame::fuzz(bytes);
}

/// Bytes as a query string; see [`sql::fuzz`].
pub(crate) fn query(bytes: &[u8]) {
    sql::fuzz(bytes);
}

/// A bounded fuzz: this often, bytes made by `make` go to `target`. The seed is printed, and `HEIRLOOM_FUZZ_SEED` sets
/// it.
#[cfg(test)]
pub(super) fn bounded(times: u32, target: fn(&[u8]), mut make: impl FnMut(&mut Dice) -> Vec<u8>) {
    let given = std::env::var("HEIRLOOM_FUZZ_SEED").ok();
    let seed = given.map_or_else(clock, |seed| seed.parse().expect("a number"));
    println!("HEIRLOOM_FUZZ_SEED={seed}");
    let mut dice = Dice(seed);
    for _ in 0..times {
        target(&make(&mut dice));
    }
}

/// An xorshift; enough to choose bits.
#[cfg(test)]
pub(super) struct Dice(u64);

#[cfg(test)]
impl Dice {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).expect("small") % n
    }

    pub(super) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }
}

/// Never 0, which an xorshift does not leave.
#[cfg(test)]
fn clock() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::from(since.subsec_nanos()) + since.as_secs() + 1
}
