//! Typed generative models on [dfdx]: the widths, the latent size and the window length are part of a model's type, so
//! that a wrong one is a compile error that names the two sizes, and a forgotten gradient tape does not compile either.
//!
//! | family | model | answers |
//! |---|---|---|
//! | VAE | [`models::vae::DenseVae`] | what does normal look like, and how far is this row from it? |
//! | GAN | [`models::gan::DenseGan`] | draw me more pictures of what we have too few of |
//! | LSTM | [`models::lstm::LstmRegressor`] | how long will this machine still run? |
//!
//! Around them: [`loss`] (each with its formula), [`nn`] and [`ops`] (blocks and differentiable operations), [`optim`],
//! [`rng`] (every random number is keyed by a seed and a purpose, so a run repeats bit for bit), [`train`] (batches,
//! history, interrupt), [`metrics`].
//!
//! Nothing here draws or prints: a model tells its [`Watcher`] how it goes.
//!
//! ```
//! use lab::{models::vae::{DenseVae, VaeConfig}, rows, Silent};
//! # fn main() -> lab::Result<()> {
//! // Sixty rows of three sensor values; the third is the sum of the others.
//! let mut values = Vec::new();
//! for i in 0..60 {
//!     let (a, b) = ((i as f32 * 0.7).sin(), (i as f32 * 1.3).cos());
//!     values.extend([a, b, a + b]);
//! }
//! let normal = rows::<3>(values)?;
//! let mut vae = DenseVae::<3, 16, 2>::new(VaeConfig { epochs: 60, batch: 20, learning_rate: 1e-2, ..VaeConfig::default() })?;
//! let history = vae.fit(&normal, &mut Silent)?;
//! assert!(history.last("loss") < history.first("loss"));
//! // A row that breaks the rule is further from normal than one that keeps it.
//! let scores = vae.reconstruction_error(&rows::<3>(vec![0.5, 0.5, 1.0, 0.5, 0.5, -3.0])?)?;
//! assert!(scores[1] > scores[0]);
//! # Ok(())
//! # }
//! ```

mod checkpoint;
pub mod device;
mod error;
pub mod loss;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod parameters;
pub mod rng;
pub mod shape;
pub mod state_dict;
#[cfg(test)]
mod testing;
pub mod train;

pub use device::{Column, Cpu, Rows, Windows, column, rows, windows};
pub use error::{Error, Result};
pub use lathe_events::{Event, Image, Silent, Watcher};
pub use train::History;
