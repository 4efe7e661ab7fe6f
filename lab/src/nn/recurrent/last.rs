use std::rc::Rc;

use dfdx::{nn::ZeroSizedModule, shapes::Dim, tensor::Gradients};

use crate::{
    nn::{Layer, Real, module},
    ops::{Back, Buf, Chain, LabDevice, Layout},
};

/// The last step of each sequence: `(batch, steps, F)` to `(batch, F)` (PyTorch's `y[:, -1]`).
///
/// Zeros for sequences without steps.
///
/// ```
/// use dfdx::prelude::*;
/// use lab::nn::LastStep;
/// let x: Tensor<Rank3<1, 2, 2>, f32, Cpu> = Cpu::default().tensor([[[1.0, 2.0], [3.0, 4.0]]]);
/// assert_eq!(LastStep.forward(x).array(), [[3.0, 4.0]]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastStep;

impl ZeroSizedModule for LastStep {}

impl<B: Dim, N: Dim, F: Dim, E: Real, D: LabDevice<E>> Layer<(B, N, F), E, D> for LastStep {
    type Output = (B, F);

    fn apply(&self, chain: &mut Chain<E, D>, (rows, steps, features): (B, N, F)) -> Result<Self::Output, D::Err> {
        let step = chain.begin_rows();
        let (sizes, n) = ((steps.size(), features.size()), step.x.len());
        let mut y = Buf::any(rows.size() * features.size());
        E::last_step(sizes, &step.x, &mut y);
        let back = step.input.then(|| {
            let back = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
                let mut dx = Buf::zeros(n);
                E::put_last_step(sizes, &dy, &mut dx);
                Ok(dx)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(Rc::new(y), Layout::Rows, back);
        Ok((rows, features))
    }
}

module!([] LastStep);
