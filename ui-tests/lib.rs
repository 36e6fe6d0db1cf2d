//! What the compiler says to people: the programs in `fail/` and `pass/`, run by `tests/`.
