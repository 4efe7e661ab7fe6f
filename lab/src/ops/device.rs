#[cfg(any(feature = "cuda", feature = "cuda-check"))]
use dfdx::shapes::HasShape;
use dfdx::{
    shapes::Shape,
    tensor::{Cpu, Gradients, HasErr, Tensor},
    tensor_ops::Device,
};

use super::Buf;
use crate::nn::Real;

/// A device that runs our blocks and losses.
///
/// A tensor's values are read and written through dfdx ([`read`](super::read), `try_tensor_from_vec`); what dfdx does not give,
/// a view of its gradient buffers, is here.
///
/// On `Cuda` (feature `cuda`) values and gradients of our blocks go through the host's memory, where the kernels of
/// `lathe-kernels` compute: correct, but slower than dfdx's own operations, which stay on the device. This path has been
/// type-checked, not run.
pub trait LabDevice<E: Real>: Device<E> {
    /// The gradient of a contiguous tensor, which has none afterwards: what nobody needs again, or gets back by
    /// [`put_gradient`](Self::put_gradient).
    ///
    /// # Errors
    /// The device's error.
    fn take_gradient<S: Shape>(
        grads: &mut Gradients<E, Self>,
        of: &Tensor<S, E, Self>,
    ) -> Result<Buf<E>, <Self as HasErr>::Err>;

    /// Gives a contiguous tensor the gradient `values`, in place of the one that was taken.
    ///
    /// # Errors
    /// The device's error.
    fn put_gradient<S: Shape>(
        grads: &mut Gradients<E, Self>,
        of: &Tensor<S, E, Self>,
        values: Buf<E>,
    ) -> Result<(), <Self as HasErr>::Err>;

    /// Shows the gradient of a contiguous tensor (zeros where there is none yet) to `f`, which may change it.
    ///
    /// # Errors
    /// The device's error.
    fn edit_gradient<S: Shape, R>(
        grads: &mut Gradients<E, Self>,
        of: &Tensor<S, E, Self>,
        f: impl FnOnce(&mut [E]) -> R,
    ) -> Result<R, <Self as HasErr>::Err>;
}

// dfdx's devices show their gradient buffers only where the element type is known.
macro_rules! devices {
    ($($e:ty)*) => {$(
        impl LabDevice<$e> for Cpu {
            fn take_gradient<S: Shape>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
            ) -> Result<Buf<$e>, <Self as HasErr>::Err> {
                Ok(std::mem::take(&mut **grads.get_or_alloc_mut(of)?).into())
            }

            fn put_gradient<S: Shape>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
                values: Buf<$e>,
            ) -> Result<(), <Self as HasErr>::Err> {
                **grads.get_or_alloc_mut(of)? = values.into_vec();
                Ok(())
            }

            fn edit_gradient<S: Shape, R>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
                f: impl FnOnce(&mut [$e]) -> R,
            ) -> Result<R, <Self as HasErr>::Err> {
                Ok(f(grads.get_or_alloc_mut(of)?))
            }
        }
        #[cfg(any(feature = "cuda", feature = "cuda-check"))]
        impl LabDevice<$e> for dfdx::tensor::Cuda {
            fn take_gradient<S: Shape>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
            ) -> Result<Buf<$e>, <Self as HasErr>::Err> {
                let slice = &**grads.get_or_alloc_mut(of)?;
                let mut values = Buf::any(of.shape().num_elements());
                slice.device().dtoh_sync_copy_into(slice, &mut values)?;
                Ok(values)
            }

            fn put_gradient<S: Shape>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
                values: Buf<$e>,
            ) -> Result<(), <Self as HasErr>::Err> {
                let slice = &mut **grads.get_or_alloc_mut(of)?;
                slice.device().htod_sync_copy_into(&values, slice)?;
                Ok(())
            }

            fn edit_gradient<S: Shape, R>(
                grads: &mut Gradients<$e, Self>,
                of: &Tensor<S, $e, Self>,
                f: impl FnOnce(&mut [$e]) -> R,
            ) -> Result<R, <Self as HasErr>::Err> {
                let slice = &mut **grads.get_or_alloc_mut(of)?;
                let mut values = Buf::any(of.shape().num_elements());
                slice.device().dtoh_sync_copy_into(slice, &mut values)?;
                let result = f(&mut values);
                slice.device().htod_sync_copy_into(&values, slice)?;
                Ok(result)
            }
        }
    )*};
}
devices!(f32 f64);
