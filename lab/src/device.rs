//! Where tensors live, and the shapes that the models take.

use dfdx::{
    shapes::{Const, HasShape, Shape},
    tensor::{Tensor, TensorFromVec},
    tensor_ops::ReshapeTo,
};

pub use dfdx::tensor::Cpu;
#[cfg(any(feature = "cuda", feature = "cuda-check"))]
pub use dfdx::tensor::Cuda;

use crate::{Error, Result};

/// A table: any number of rows, `N` values each (the width is part of the type).
pub type Rows<const N: usize> = Tensor<(usize, Const<N>), f32, Cpu>;
/// Any number of windows of `W` time steps with `F` features each, time before feature.
pub type Windows<const W: usize, const F: usize> = Tensor<(usize, Const<W>, Const<F>), f32, Cpu>;
/// One value a row.
pub type Column = Tensor<(usize,), f32, Cpu>;

/// Makes a table of row-major values.
///
/// ```
/// let table = lab::rows::<2>(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
/// assert_eq!(table.shape().0, 3);
/// # use dfdx::prelude::HasShape;
/// assert!(lab::rows::<4>(vec![1.0; 6]).is_err());
/// ```
///
/// # Errors
/// [`Error::Length`] when the values do not fill whole rows.
pub fn rows<const N: usize>(values: Vec<f32>) -> Result<Rows<N>> {
    let rows = whole(values.len(), N, "values for rows")?;
    Ok(Cpu::default().try_tensor_from_vec(values, (rows, Const))?)
}

/// Makes windows of values that are ordered by window, then time, then feature.
///
/// # Errors
/// [`Error::Length`] when the values do not fill whole windows.
pub fn windows<const W: usize, const F: usize>(values: Vec<f32>) -> Result<Windows<W, F>> {
    let windows = whole(values.len(), W * F, "values for windows")?;
    Ok(Cpu::default().try_tensor_from_vec(values, (windows, Const, Const))?)
}

/// Makes a column.
///
/// # Errors
/// [`Error::Device`] when memory runs out.
pub fn column(values: Vec<f32>) -> Result<Column> {
    let n = values.len();
    Ok(Cpu::default().try_tensor_from_vec(values, (n,))?)
}

fn whole(len: usize, width: usize, what: &str) -> Result<usize> {
    if width == 0 || !len.is_multiple_of(width) {
        return Err(Error::Length {
            what: format!("{what} of {width}, left over"),
            got: len % width.max(1),
            expected: 0,
        });
    }
    Ok(len / width)
}

/// The values of a tensor in row-major order, whatever its strides.
pub(crate) fn values<S: Shape>(tensor: &Tensor<S, f32, Cpu>) -> Result<Vec<f32>> {
    let tensor = tensor.clone().try_contiguous()?;
    let mut out = vec![0.0; tensor.shape().num_elements()];
    tensor.copy_into(&mut out);
    Ok(out)
}
