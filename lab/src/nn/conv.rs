//! Convolutions and their transposes.

mod one;
#[cfg(test)]
mod tests;
mod transposed;
mod two;

use std::{rc::Rc, sync::Arc};

use dfdx::{
    shapes::{Const, ConstDim},
    tensor::Gradients,
};
use lathe_kernels::{
    brgemm::Finish,
    conv::{Geometry, Sizes},
};

pub use one::{CausalConv1d, Conv1d, UnbiasedConv1d};
pub use transposed::{ConvTranspose2d, UnbiasedConvTranspose2d};
pub use two::{Conv2d, UnbiasedConv2d};

use super::{Real, linear::Flat};
use crate::{
    loss::scalar,
    ops::{self, Activation, Back, Buf, Chain, LabDevice, Layout},
    shape::PerGroup,
};

/// A convolution or a transposed one: which pixels meet, and how many channels.
#[derive(Debug, Clone)]
struct Plan {
    geometry: Arc<Geometry>,
    images: usize,
    /// Channels in and out.
    channels: (usize, usize),
    groups: usize,
    /// Whether the input is the small side.
    transposed: bool,
}

impl Plan {
    fn sizes(&self) -> Sizes<'_> {
        let (input, output) = self.channels;
        let (big, small) = if self.transposed { (output, input) } else { (input, output) };
        Sizes { plan: &self.geometry, images: self.images, big, small, groups: self.groups }
    }

    /// Pixels in and out.
    fn pixels(&self) -> (usize, usize) {
        let (big, small) = (self.geometry.big_pixels(), self.geometry.small_pixels());
        if self.transposed { (small, big) } else { (big, small) }
    }

    fn forward<E: Real>(&self, x: &[E], weight: &[E], finish: Finish<'_, E>) -> Buf<E> {
        let mut y = Buf::any(self.pixels().1 * self.images * self.channels.1);
        match self.transposed {
            false => E::conv_small_from_big(self.sizes(), x, weight, &mut y, finish),
            true => E::conv_big_from_small(self.sizes(), x, weight, &mut y, finish),
        }
        y
    }

    fn input_gradient<E: Real>(&self, dz: &[E], weight: &[E]) -> Buf<E> {
        let mut dx = Buf::any(self.pixels().0 * self.images * self.channels.0);
        match self.transposed {
            false => E::conv_big_from_small(self.sizes(), dz, weight, &mut dx, Finish::set()),
            true => E::conv_small_from_big(self.sizes(), dz, weight, &mut dx, Finish::set()),
        }
        dx
    }

    fn weight_gradient<E: Real>(&self, x: &[E], dz: &[E], dw: &mut [E]) {
        let (big, small) = if self.transposed { (dz, x) } else { (x, dz) };
        E::conv_filter_gradient(self.sizes(), big, small, dw);
    }
}

/// The block behind all convolutions.
fn convolve<E: Real, D: LabDevice<E>>(
    chain: &mut Chain<E, D>,
    plan: Plan,
    weight: Flat<E, D>,
    bias: Option<Flat<E, D>>,
) -> Result<(), D::Err> {
    let (from, to) = plan.pixels();
    let (input, output) = plan.channels;
    let step = chain.begin_pixels((plan.images, input, from));
    let values = ops::read(&weight)?;
    let shift = bias.as_ref().map(ops::read).transpose()?;
    let useful = step.any();
    let layout = Layout::Pixels { pixels: to, images: plan.images, channels: output };
    chain.defer(layout, useful, move |activation| {
        let (slope, rest) = match activation {
            Activation::Identity => (1.0, None),
            Activation::Leaky(slope) => (slope, None),
            other => (1.0, Some(other)),
        };
        let finish = Finish { add: false, bias: shift.as_deref(), slope: scalar(slope) };
        let mut y = plan.forward(&step.x, &values, finish);
        if let Some(activation) = rest {
            E::dense_forward(&mut y, &[], activation);
        }
        let y = Rc::new(y);
        let out = Rc::clone(&y);
        let back = move |grads: &mut Gradients<E, D>, mut dz: Buf<E>| {
            let mut sums = Buf::zeros(if step.weights && bias.is_some() { output } else { 0 });
            E::dense_backward(&mut dz, &y, &mut sums, activation);
            drop(y);
            if step.weights {
                if let Some(bias) = &bias {
                    ops::add_gradient(grads, bias, &sums)?;
                }
                D::edit_gradient(grads, &weight, |dw| plan.weight_gradient(&step.x, &dz, dw))?;
            }
            Ok(if step.input { plan.input_gradient(&dz, &values) } else { Buf::any(0) })
        };
        (out, useful.then(|| Box::new(back) as Back<E, D>))
    });
    Ok(())
}

/// Channels of a group; does not compile where the groups do not divide them.
const fn per_group<const C: usize, const G: usize>() -> usize {
    <PerGroup<Const<C>, G> as ConstDim>::SIZE
}
