//! Benchmarks of heirloom, side by side with what people use today.
