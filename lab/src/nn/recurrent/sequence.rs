//! One or two directions through sequences, as an operation of a chain or of its own.

use std::rc::Rc;

use dfdx::{
    shapes::{Dim, HasShape},
    tensor::{Gradients, PutTape, SplitTape, Tape, Tensor},
    tensor_ops::ReshapeTo,
};
use lathe_kernels::recurrent::{self, Batch, Sizes, Weights};

use super::{Flat, State, Stream};
use crate::{
    nn::Real,
    ops::{self, Back, Buf, Chain, LabDevice, Layout, Step},
};

/// weight_ih, weight_hh, bias_ih and bias_hh of a direction.
pub(super) type Parameters<E, D> = [Flat<E, D>; 4];

type States<E> = Vec<recurrent::State<E>>;

/// From the gradients of output and last states to those of input and first states; adds those of the parameters.
type BackStates<E, D> = Box<
    dyn FnOnce(
        &mut Gradients<E, D>,
        Buf<E>,
        States<E>,
    ) -> Result<(Buf<E>, States<E>), <D as dfdx::tensor::HasErr>::Err>,
>;

/// What the layers of this module know about themselves.
pub(super) struct Plan<E: Real, D: LabDevice<E>> {
    pub sizes: Sizes,
    /// One direction, or forward and reverse.
    pub directions: Vec<Parameters<E, D>>,
}

impl<E: Real, D: LabDevice<E>> Plan<E, D> {
    /// As a layer of a chain, from zeros.
    pub fn apply(self, chain: &mut Chain<E, D>, rows: usize, steps: usize) -> Result<(), D::Err> {
        let step = chain.begin_rows();
        let count = self.directions.len();
        let (y, _, back) = self.run((rows, steps), &step, vec![recurrent::State::default(); count])?;
        let back = back.map(|back| {
            let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>| {
                Ok(back(grads, dy, vec![recurrent::State::default(); count])?.0)
            };
            Box::new(back) as Back<E, D>
        });
        chain.end(Rc::new(y), Layout::Rows, back);
        Ok(())
    }

    /// The only direction, step by step.
    pub fn stream(&self) -> Result<Stream<E>, D::Err> {
        let [a, b, c, d] = &self.directions[0];
        let values = [ops::read(a)?, ops::read(b)?, ops::read(c)?, ops::read(d)?];
        Ok(Stream::new(E::recurrent_pack(self.sizes, view(&values))))
    }

    /// As an operation of its own, from and to states.
    #[allow(clippy::type_complexity)]
    pub fn with_state<B: Dim, N: Dim, I: Dim, O: Dim + Default, T: Tape<E, D>, S: State<B, E, D>>(
        self,
        x: Tensor<(B, N, I), E, D, T>,
        state: Option<S>,
    ) -> Result<(Tensor<(B, N, O), E, D, T>, S), D::Err> {
        let (x, mut tape) = x.try_contiguous()?.split_tape();
        let (rows, steps, _) = *x.shape();
        let (device, count, sizes) = (x.device().clone(), self.directions.len(), self.sizes);
        let mut first = Vec::new();
        if let Some(state) = &state {
            state.give(&mut first)?;
        }
        let values = first.iter().map(ops::read).collect::<Result<Vec<_>, _>>()?;
        let step =
            Step { x: Rc::new(ops::read(&x)?), layout: Layout::Rows, input: T::OWNS_TAPE, weights: T::OWNS_TAPE };
        let (y, last, back) = self.run((rows.size(), steps.size()), &step, group(sizes, count, values))?;
        let y = device.try_tensor_from_vec(y.into_vec(), (rows, steps, O::default()))?;
        let mut tensors = Vec::new();
        for values in ungroup(sizes, last) {
            let n = values.len();
            tensors.push(device.try_tensor_from_vec(values.into_vec(), (n,))?);
        }
        let mut next = tensors.clone().into_iter();
        let last = S::take(rows, &mut || match next.next() {
            Some(tensor) => Ok(tensor),
            None => device.try_tensor_from_vec(Vec::new(), (0,)),
        })?;
        if let Some(back) = back {
            let out = y.clone();
            tape.add_backward_op(move |grads| {
                let dy = D::take_gradient(grads, &out)?;
                let d_last = tensors.iter().map(|last| D::take_gradient(grads, last)).collect::<Result<Vec<_>, _>>()?;
                let (dx, d_first) = back(grads, dy, group(sizes, count, d_last))?;
                ops::add_gradient(grads, &x, &dx)?;
                for (first, gradient) in first.iter().zip(ungroup(sizes, d_first)) {
                    ops::add_gradient(grads, first, &gradient)?;
                }
                Ok(())
            });
        }
        Ok((y.put_tape(tape), last))
    }

    #[allow(clippy::type_complexity)]
    fn run(
        self,
        (rows, steps): (usize, usize),
        step: &Step<E>,
        first: States<E>,
    ) -> Result<(Buf<E>, States<E>, Option<BackStates<E, D>>), D::Err> {
        let Self { sizes, directions } = self;
        let (h, count, useful) = (sizes.hidden, directions.len(), step.any());
        let (mut outputs, mut last, mut traces) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (parameters, first)) in directions.into_iter().zip(&first).enumerate() {
            let batch = Batch { rows, steps, reverse: number == 1 };
            let [a, b, c, d] = &parameters;
            let values = [ops::read(a)?, ops::read(b)?, ops::read(c)?, ops::read(d)?];
            let run = E::recurrent_forward(batch, &step.x, &E::recurrent_pack(sizes, view(&values)), first, useful);
            outputs.push(run.hidden);
            last.push(run.last);
            traces.extend(run.trace.map(|trace| (trace, parameters, values)));
        }
        let y = match (outputs.pop(), outputs.pop()) {
            (Some(reverse), Some(forward)) => {
                let mut joined = Buf::any(2 * forward.len());
                E::put_columns((2 * h, 0, h), &forward, &mut joined);
                E::put_columns((2 * h, h, h), &reverse, &mut joined);
                joined
            }
            (only, _) => only.unwrap_or_default(),
        };
        if !useful {
            return Ok((y, last, None));
        }
        let (input, weights) = (step.input, step.weights);
        let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>, d_last: States<E>| {
            let (mut dx, mut d_first) = (Buf::default(), Vec::new());
            for (number, ((trace, parameters, values), d_last)) in traces.into_iter().zip(&d_last).enumerate() {
                let mut part = Buf::any(if count > 1 { dy.len() / count } else { 0 });
                let dy = if count > 1 {
                    E::columns((count * h, number * h, h), &dy, &mut part);
                    &part
                } else {
                    &dy
                };
                let found = E::recurrent_backward(trace, view(&values), dy, d_last, input, weights);
                if weights {
                    let gradients = [found.weight_ih, found.weight_hh, found.bias_ih, found.bias_hh];
                    for (parameter, gradient) in parameters.iter().zip(&gradients) {
                        ops::add_gradient(grads, parameter, gradient)?;
                    }
                }
                if number == 0 {
                    dx = found.input;
                } else {
                    <E as lathe_kernels::Kernels>::add(&mut dx, &found.input);
                }
                d_first.push(found.initial);
            }
            Ok((dx, d_first))
        };
        Ok((y, last, Some(Box::new(back))))
    }
}

fn view<E: Real>([weight_ih, weight_hh, bias_ih, bias_hh]: &[Buf<E>; 4]) -> Weights<'_, E> {
    Weights { weight_ih, weight_hh, bias_ih, bias_hh }
}

/// h (and c) of each direction as states; zeros where there are no tensors.
fn group<E: Real>(sizes: Sizes, count: usize, tensors: Vec<Buf<E>>) -> States<E> {
    let mut next = tensors.into_iter();
    let mut each = || recurrent::State {
        hidden: next.next().unwrap_or_default(),
        cell: if sizes.cell.has_cell_state() { next.next().unwrap_or_default() } else { Buf::default() },
    };
    (0..count).map(|_| each()).collect()
}

/// The other way round.
fn ungroup<E: Real>(sizes: Sizes, states: States<E>) -> impl Iterator<Item = Buf<E>> {
    states.into_iter().flat_map(move |state| {
        [Some(state.hidden), sizes.cell.has_cell_state().then_some(state.cell)].into_iter().flatten()
    })
}
