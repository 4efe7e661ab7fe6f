//! Grades Lathe's exercises: compiles one answer together with its checks, runs it with limits, judges it, explains known mistakes.
//!
//! An answer is in one of five states: *not started* (the stub, or nothing but `todo!()`), *unfinished* (what is written is
//! right, a `todo!()` is left), *does not compile*, *wrong*, *right*. Each is compiled on its own, so a file that does not compile
//! blocks no other. An answer that names the crate `lathe` is linked against the prelude that `lathe-kernel prepare` made, any
//! other against std alone, which is faster.
//!
//! A wrong answer is run on probe inputs; if a known wrong answer (`mutants/`) says the same, the learner gets that one's
//! explanation, else the property that does not hold, with the numbers. Each function is compared by itself, so that two
//! mistakes in two functions are both explained.
//!
//! See [`sandbox`] for what running an answer protects against, and what not.
//!
//! ```no_run
//! use lathe_grader::{Catalogue, Grader, State};
//! use std::path::Path;
//!
//! let catalogue = Catalogue::open(Path::new("exercises"))?;
//! let exercise = catalogue.find("1")?;
//! let verdict = Grader::new().grade(&catalogue, exercise, &exercise.solution)?;
//! assert_eq!(verdict.state, State::Right);
//! # Ok::<(), lathe_grader::GradeError>(())
//! ```

mod catalogue;
mod compile;
mod error;
mod grade;
mod learner;
mod prelude;
mod references;
pub mod report;
pub mod sandbox;
pub mod suite;
mod verdict;
pub mod watch;

pub use catalogue::{Catalogue, Exercise, Mutant};
pub use error::GradeError;
pub use grade::Grader;
pub use learner::Learner;
pub use prelude::Prelude;
pub use verdict::{Part, Probes, State, Verdict, Violation};
