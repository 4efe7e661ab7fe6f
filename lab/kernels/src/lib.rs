//! Numeric kernels on plain slices, without a tensor library: each is tested alone against a slow `f64` reference.
//!
//! Results do not depend on the number of threads (work is cut into a fixed number of parts that are added in a fixed order)
//! nor on the machine's vector width (no reordered sums inside of an element; processors without fused multiply-adds round
//! products and a recurrent layer's gates once more).
//!
//! [`Kernels`] is implemented for `f32` and `f64` *here*, so that the loops are compiled here, optimised, and not in the crate that
//! calls them: a notebook cell is compiled without optimisation.

pub mod attention;
pub mod batch_norm;
pub mod brgemm;
pub mod conv;
pub mod curves;
pub mod dense;
mod dispatch;
pub mod dropout;
pub mod embedding;
pub mod group_norm;
pub mod gumbel;
mod instances;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod optim;
mod par;
pub mod pool;
mod real;
pub mod recurrent;
pub mod softmax;
pub mod spectral;
mod transpose;

pub use instances::Kernels;
pub use real::Real;
