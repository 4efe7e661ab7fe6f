//! What a layer keeps beside its weights: running statistics and the state of its random numbers.

use dfdx::{
    nn::tensor_collection::TensorOptions,
    shapes::{ConstShape, Dtype, Rank1},
    tensor::Tensor,
    tensor_ops::Device,
};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::Real;
use crate::{
    loss::scalar,
    ops::{self, LabDevice},
    rng,
};

/// Trained, 1 at the start.
pub(crate) fn ones<S: ConstShape, E: Dtype, D: Device<E>>() -> TensorOptions<S, E, D> {
    TensorOptions::reset_to_ones()
}

/// Saved but not trained, 0 at the start.
pub(crate) fn kept_zeros<S: ConstShape, E: Dtype, D: Device<E>>() -> TensorOptions<S, E, D> {
    TensorOptions::detached(|t| t.try_fill_with_zeros())
}

/// Saved but not trained, 1 at the start.
pub(crate) fn kept_ones<S: ConstShape, E: Dtype, D: Device<E>>() -> TensorOptions<S, E, D> {
    TensorOptions::detached(|t| t.try_fill_with_ones())
}

/// State of a layer's random numbers: seed and step as two numbers of 24 bits each, low part first, so that they are exact in
/// `f32`.
pub(crate) type RngState<E, D> = Tensor<Rank1<4>, E, D>;
/// What the name of such a tensor ends with, so that [`rng::initialise`] gives each its own seed.
pub(crate) const RNG_STATE: &str = "rng_state";

const PART: u64 = 1 << 24;

/// A new state for a layer.
pub(crate) fn seeded<E: Dtype>(rng: &mut ChaCha8Rng) -> [E; 4] {
    let seed = rng.next_u64();
    [scalar((seed % PART) as f64), scalar((seed / PART % PART) as f64), E::default(), E::default()]
}

/// The key of this step's random numbers; the state moves on to the next.
pub(crate) fn next_key<E: Real, D: LabDevice<E>>(
    state: &mut RngState<E, D>,
    purpose: &str,
) -> Result<[u8; 32], D::Err> {
    let parts = ops::read(state)?;
    let whole = |low: usize| -> u64 {
        let part = |i: usize| num_traits::ToPrimitive::to_u64(&parts[i]).unwrap_or(0);
        part(low) + PART * part(low + 1)
    };
    let (seed, step) = (whole(0), whole(2));
    let next = step + 1;
    state.copy_from(&[parts[0], parts[1], scalar((next % PART) as f64), scalar((next / PART % PART) as f64)]);
    Ok(rng::key(seed, purpose, step))
}
