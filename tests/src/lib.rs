//! Behaviour tests of heirloom, against real databases. The tests are in `tests/`.
