//! Numeric kernels on plain slices, without a tensor library: each is tested alone against a slow `f64` reference.
//!
//! Results do not depend on the number of threads (work is cut into a fixed number of parts that are added in a fixed order)
//! nor on the machine's vector width (no fused multiply-add, no reordered sums inside of an element).

pub mod adam;
pub mod dense;
mod dispatch;
mod gemm;
pub mod lstm;
mod real;

pub use real::Real;
