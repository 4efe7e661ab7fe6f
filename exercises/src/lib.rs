//! The exercises of the course. There is no code here: answers live in `my/`, and `cargo test -p exercises` grades them
//! (see `lathe-grader`).
