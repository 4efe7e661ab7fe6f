//! One walk over the tensors of a model, by name: what optimisers, state dicts, checkpoints and initialisers have in common.
//!
//! ```
//! use dfdx::prelude::*;
//! use lab::{nn::{self, Linear, Relu, Sequential}, parameters, rng::Init};
//! let net: Sequential<(Linear<4, 3>, Relu, Linear<3, 1>)> = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
//! let mut found = Vec::new();
//! parameters::visit(&net, |tensor| {
//!     found.push(format!("{} {:?}", tensor.name, tensor.shape));
//!     Ok::<_, lab::Error>(())
//! })
//! .unwrap();
//! assert_eq!(found, ["0.weight [3, 4]", "0.bias [3]", "2.weight [1, 3]", "2.bias [1]"]);
//! ```

use std::marker::PhantomData;

use dfdx::{
    nn::tensor_collection::{
        RecursiveWalker, TensorCollection, TensorOptions, TensorVisitor, ViewTensorMut, ViewTensorName, ViewTensorRef,
    },
    shapes::{Dtype, HasShape, Shape},
    tensor::Tensor,
    tensor_ops::{Device, ReshapeTo},
};
use lathe_kernels::pool::Buf;

use crate::nn::Real;

/// A tensor whose sizes are forgotten: it shares values and gradient with the one that it was made of.
pub type Flat<E, D> = Tensor<(usize,), E, D>;

/// A tensor of a model, to be read.
pub struct View<'a, E: Dtype, D: Device<E>> {
    /// The path of its fields: `0.weight`, `encoder.hidden.bias`.
    pub name: &'a str,
    /// Its sizes.
    pub shape: &'a [usize],
    /// Whether optimisers move it; running statistics are only kept.
    pub trained: bool,
    source: &'a dyn Source<E, D>,
}

/// A tensor of a model, to be changed.
pub struct Parameter<'a, E: Dtype, D: Device<E>> {
    /// The path of its fields: `0.weight`, `encoder.hidden.bias`.
    pub name: &'a str,
    /// Its sizes.
    pub shape: &'a [usize],
    /// Whether optimisers move it; running statistics are only kept.
    pub trained: bool,
    target: &'a mut dyn Target<E, D>,
}

trait Source<E: Dtype, D: Device<E>> {
    fn flat(&self) -> Result<Flat<E, D>, D::Err>;
}

trait Target<E: Dtype, D: Device<E>>: Source<E, D> {
    fn write(&mut self, values: &[E]);
    fn reset(&mut self) -> Result<(), D::Err>;
}

struct Borrowed<'a, S: Shape, E: Dtype, D: Device<E>>(&'a Tensor<S, E, D>);
struct Owned<'a, S: Shape, E: Dtype, D: Device<E>>(&'a mut Tensor<S, E, D>, TensorOptions<S, E, D>);

fn flat<S: Shape, E: Dtype, D: Device<E>>(tensor: &Tensor<S, E, D>) -> Result<Flat<E, D>, D::Err> {
    tensor.clone().try_reshape_like(&(tensor.shape().num_elements(),))
}

impl<S: Shape, E: Dtype, D: Device<E>> Source<E, D> for Borrowed<'_, S, E, D> {
    fn flat(&self) -> Result<Flat<E, D>, D::Err> {
        flat(self.0)
    }
}

impl<S: Shape, E: Dtype, D: Device<E>> Source<E, D> for Owned<'_, S, E, D> {
    fn flat(&self) -> Result<Flat<E, D>, D::Err> {
        flat(self.0)
    }
}

impl<S: Shape, E: Dtype, D: Device<E>> Target<E, D> for Owned<'_, S, E, D> {
    fn write(&mut self, values: &[E]) {
        self.0.copy_from(values);
    }

    fn reset(&mut self) -> Result<(), D::Err> {
        (self.1.reset)(self.0)
    }
}

fn read<E: Real, D: Device<E>>(flat: &Flat<E, D>) -> Buf<E> {
    let mut values = Buf::any(flat.shape().0);
    flat.copy_into(&mut values);
    values
}

impl<E: Dtype, D: Device<E>> View<'_, E, D> {
    /// The tensor as a vector, for dfdx's functions on gradients. While it lives, writing to the model copies the values first.
    ///
    /// # Errors
    /// The device's error.
    pub fn flat(&self) -> Result<Flat<E, D>, D::Err> {
        self.source.flat()
    }
}

impl<E: Real, D: Device<E>> View<'_, E, D> {
    /// A copy of its values, row-major.
    ///
    /// # Errors
    /// The device's error.
    pub fn read(&self) -> Result<Buf<E>, D::Err> {
        Ok(read(&self.source.flat()?))
    }
}

impl<E: Dtype, D: Device<E>> Parameter<'_, E, D> {
    /// The tensor as a vector, for dfdx's functions on gradients. While it lives, writing copies the values first.
    ///
    /// # Errors
    /// The device's error.
    pub fn flat(&self) -> Result<Flat<E, D>, D::Err> {
        self.target.flat()
    }

    /// Replaces its values.
    ///
    /// # Panics
    /// When there are more or fewer than the tensor has.
    pub fn write(&mut self, values: &[E]) {
        self.target.write(values);
    }

    /// Sets it to what its layer starts with.
    ///
    /// # Errors
    /// The device's error.
    pub fn reset(&mut self) -> Result<(), D::Err> {
        self.target.reset()
    }
}

impl<E: Real, D: Device<E>> Parameter<'_, E, D> {
    /// A copy of its values, row-major.
    ///
    /// # Errors
    /// The device's error.
    pub fn read(&self) -> Result<Buf<E>, D::Err> {
        Ok(read(&self.target.flat()?))
    }
}

/// Shows each tensor of a model to `f`, in the order of its fields.
///
/// # Errors
/// The first error of `f`.
pub fn visit<E: Dtype, D: Device<E>, M: TensorCollection<E, D>, R>(
    model: &M,
    f: impl FnMut(View<'_, E, D>) -> Result<(), R>,
) -> Result<(), R> {
    M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut Reading(f, PhantomData) }).map(drop)
}

/// Shows each tensor of a model to `f`, which may change it, in the order of its fields.
///
/// # Errors
/// The first error of `f`.
pub fn visit_mut<E: Dtype, D: Device<E>, M: TensorCollection<E, D>, R>(
    model: &mut M,
    f: impl FnMut(Parameter<'_, E, D>) -> Result<(), R>,
) -> Result<(), R> {
    M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut Changing(f, PhantomData) }).map(drop)
}

struct Reading<F, R>(F, PhantomData<R>);

impl<E: Dtype, D: Device<E>, R, F: FnMut(View<'_, E, D>) -> Result<(), R>> TensorVisitor<E, D> for Reading<F, R> {
    type Viewer = (ViewTensorRef, ViewTensorName);
    type Err = R;
    type E2 = E;
    type D2 = D;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, D>,
        (tensor, name): (&Tensor<S, E, D>, String),
    ) -> Result<Option<Tensor<S, E, D>>, R> {
        let shape: Vec<usize> = tensor.shape().concrete().into();
        let trained = options.do_gradient_update;
        (self.0)(View { name: &name, shape: &shape, trained, source: &Borrowed(tensor) })?;
        Ok(None)
    }
}

struct Changing<F, R>(F, PhantomData<R>);

impl<E: Dtype, D: Device<E>, R, F: FnMut(Parameter<'_, E, D>) -> Result<(), R>> TensorVisitor<E, D> for Changing<F, R> {
    type Viewer = (ViewTensorMut, ViewTensorName);
    type Err = R;
    type E2 = E;
    type D2 = D;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, D>,
        (tensor, name): (&mut Tensor<S, E, D>, String),
    ) -> Result<Option<Tensor<S, E, D>>, R> {
        let shape: Vec<usize> = tensor.shape().concrete().into();
        let trained = options.do_gradient_update;
        (self.0)(Parameter { name: &name, shape: &shape, trained, target: &mut Owned(tensor, options) })?;
        Ok(None)
    }
}
