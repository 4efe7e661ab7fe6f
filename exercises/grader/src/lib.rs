//! exercises/grader
