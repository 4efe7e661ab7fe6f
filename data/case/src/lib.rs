//! data/case
