//! A model's tensors in a safetensors file, under the names and with the shapes of PyTorch's `state_dict`.
//!
//! Blocks of [`nn`](crate::nn) name their parameters as PyTorch does, so a file written there is read here and the reverse:
//!
//! ```python
//! from safetensors.torch import load_file, save_file
//! save_file(net.state_dict(), "net.safetensors")         # then state_dict::load here
//! net.load_state_dict(load_file("net.safetensors"))      # after state_dict::save here
//! ```
//!
//! What PyTorch has and we have not (`num_batches_tracked`), or the reverse (the state of a dropout's random numbers), is left
//! out on both sides.

use std::{collections::BTreeMap, path::Path};

use dfdx::{nn::tensor_collection::TensorCollection, tensor_ops::Device};
use safetensors::{
    SafeTensors,
    tensor::{Dtype, TensorView},
};

use crate::{
    Error, Result,
    checkpoint::write_file,
    loss::scalar,
    nn::{Real, state::RNG_STATE},
    parameters::{self, View},
};

/// PyTorch's count of batches, which only a batch norm without momentum reads.
const UNUSED: &str = "num_batches_tracked";

/// Whether the names of file and model have to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// Each tensor of the model is in the file, and the reverse (PyTorch's `strict=True`).
    #[default]
    Same,
    /// What only one of the two has is left alone (`strict=False`). Shapes have to agree all the same.
    Common,
}

/// How a file differs from the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Tensors of the model that the file has not.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has not.
    pub unexpected: Vec<String>,
    /// Tensors with another shape: name, the model's, the file's.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Difference {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("it lacks {}", self.missing.join(", ")));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("the model has no {}", self.unexpected.join(", ")));
        }
        for (name, model, file) in &self.shapes {
            parts.push(format!("{name} has shape {file:?}, {model:?} was expected"));
        }
        parts.join("; ")
    }
}

/// Writes the tensors of a model, trained or kept.
///
/// # Errors
/// [`Error::Io`]; the file is then as it was before.
pub fn save<E: Real, D: Device<E>, M: TensorCollection<E, D>>(model: &M, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let double = size_of::<E>() == 8;
    let mut entries: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    parameters::visit(model, |tensor: View<'_, E, D>| {
        if !tensor.name.ends_with(RNG_STATE) {
            let values = tensor.read()?;
            let bytes = values.iter().map(|x| lathe_kernels::Real::to_f64(*x));
            let bytes = match double {
                true => bytes.flat_map(f64::to_le_bytes).collect(),
                false => bytes.flat_map(|x| (x as f32).to_le_bytes()).collect(),
            };
            entries.push((tensor.name.to_owned(), tensor.shape.to_vec(), bytes));
        }
        Ok(())
    })
    .map_err(|error: D::Err| Error::Device(format!("{error:?}")))?;
    let io = |text: String| Error::Io { path: path.to_owned(), source: std::io::Error::other(text) };
    let dtype = if double { Dtype::F64 } else { Dtype::F32 };
    let mut views = Vec::new();
    for (name, shape, bytes) in &entries {
        let view = TensorView::new(dtype, shape.clone(), bytes).map_err(|error| io(error.to_string()))?;
        views.push((name.clone(), view));
    }
    // As PyTorch's own files say it; transformers asks for it.
    let metadata = Some([(String::from("format"), String::from("pt"))].into());
    write_file(path, &safetensors::serialize(views, &metadata).map_err(|error| io(error.to_string()))?)
}

/// Reads what [`save`] or PyTorch wrote: `F32`, `F64`, `BF16` or `F16`. The model is changed only if all fits; what differed is
/// returned (nothing, with [`Names::Same`]).
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear, Relu, Sequential}, rng::Init, state_dict::{self, Names}};
/// # fn main() -> lab::Result<()> {
/// # let folder = std::env::temp_dir();
/// type Net = Sequential<(Linear<4, 3>, Relu, Linear<3, 1>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming)?;
/// let path = folder.join(format!("state_dict-{}.safetensors", std::process::id()));
/// state_dict::save(&net, &path)?;
/// let mut other: Net = nn::build(&Cpu::default(), 2, Init::Kaiming)?;
/// state_dict::load(&mut other, &path, Names::Same)?;
/// assert_eq!(net.0.0.weight.array(), other.0.0.weight.array());
/// let mut wider: Sequential<(Linear<4, 5>, Relu, Linear<5, 1>)> = nn::build(&Cpu::default(), 1, Init::Kaiming)?;
/// let error = state_dict::load(&mut wider, &path, Names::Same).unwrap_err().to_string();
/// assert!(error.contains("0.weight has shape [3, 4], [5, 4] was expected"), "{error}");
/// # std::fs::remove_file(&path).ok();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] naming each tensor that is missing, unexpected or of another shape or type.
pub fn load<E: Real, D: Device<E>, M: TensorCollection<E, D>>(
    model: &mut M,
    path: impl AsRef<Path>,
    names: Names,
) -> Result<Difference> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let wrong = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
    let device = |error: D::Err| Error::Device(format!("{error:?}"));
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(format!("it is not a whole safetensors file ({error})")))?;
    let mut tensors: BTreeMap<String, TensorView<'_>> =
        file.tensors().into_iter().filter(|(name, _)| !name.ends_with(UNUSED)).collect();
    let (mut difference, mut found) = (Difference::default(), BTreeMap::new());
    parameters::visit(&*model, |tensor: View<'_, E, D>| {
        let name = tensor.name.to_owned();
        match tensors.remove(&name) {
            Some(view) if view.shape() == tensor.shape => drop(found.insert(name, view)),
            Some(view) => difference.shapes.push((name, tensor.shape.to_vec(), view.shape().to_vec())),
            None if name.ends_with(RNG_STATE) => {}
            None => difference.missing.push(name),
        }
        Ok(())
    })
    .map_err(device)?;
    difference.unexpected = tensors.into_keys().collect();
    let named = difference.missing.len() + difference.unexpected.len();
    if !difference.shapes.is_empty() || (names == Names::Same && named > 0) {
        return Err(wrong(difference.text()));
    }
    let mut values = BTreeMap::new();
    for (name, view) in found {
        values.insert(
            name.clone(),
            numbers::<E>(&view).map_err(|kind| wrong(format!("{name} is {kind:?}, not a real number")))?,
        );
    }
    parameters::visit_mut(model, |mut tensor| {
        if let Some(values) = values.get(tensor.name) {
            tensor.write(values);
        }
        Ok(())
    })
    .map_err(device)?;
    Ok(difference)
}

fn numbers<E: Real>(view: &TensorView<'_>) -> Result<Vec<E>, Dtype> {
    fn each<const N: usize>(data: &[u8], of: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks().0.iter().map(|bytes| of(*bytes)).collect()
    }
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F64 => each(data, f64::from_le_bytes),
        Dtype::F32 => each(data, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::BF16 => each(data, |[low, high]| f64::from(f32::from_le_bytes([0, 0, low, high]))),
        Dtype::F16 => each(data, |bytes| half(u16::from_le_bytes(bytes))),
        other => return Err(other),
    };
    Ok(values.into_iter().map(scalar).collect())
}

/// A 16-bit number of IEEE 754: sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, want) in [(0x3C00, 1.0), (0xC000, -2.0), (0x0001, 2f64.powi(-24)), (0x7BFF, 65504.0), (0x8000, 0.0)]
        {
            assert_eq!(half(bits), want);
        }
        assert!(half(0x7E00).is_nan() && half(0xFC00) == f64::NEG_INFINITY);
    }
}
