use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions},
    shapes::{Const, Dim, Dtype, HasShape, Shape},
    tensor::{Cpu, Storage, Tape, Tensor},
    tensor_ops::Device,
};
use lathe_kernels::recurrent::{Cell, Sizes};

use super::{
    Recurrent, flat,
    sequence::{Parameters, Plan},
    stream::{Causal, Stream},
};
use crate::{
    loss::scalar,
    nn::{Layer, Real, module},
    ops::{Chain, LabDevice},
    shape::Times,
};

/// What a single recurrent layer of one direction tells about itself.
pub trait Single<E: Real, D: LabDevice<E>>: Recurrent<E, D> {
    /// Its kind and widths.
    const SIZES: Sizes;

    /// weight_ih, weight_hh, bias_ih and bias_hh.
    ///
    /// # Errors
    /// The device's error.
    fn parameters(&self) -> Result<Parameters<E, D>, D::Err>;
}

/// A bias of an LSTM: 1 for the forget gate ("remember at first"), 0 for the others.
pub(super) fn remember<S: Shape, E: Real, D: Device<E>>(bias: &mut Tensor<S, E, D>) -> Result<(), D::Err> {
    let n = bias.shape().num_elements();
    // Gates lie in the order i, f, g, o.
    let values: Vec<E> = (0..n).map(|k| if 4 * k / n.max(1) == 1 { scalar(1.0) } else { E::default() }).collect();
    bias.copy_from(&values);
    Ok(())
}

/// A recurrent layer with PyTorch's parameters.
macro_rules! recurrent {
    (
        $(#[$doc:meta])*
        $name:ident = $cell:expr, $rows:ty, $text:literal, $state:ty, $bias:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<const I: usize, const H: usize, E: Dtype = f32, D: Storage<E> = Cpu> {
            #[doc = concat!("From the input, `(", $text, ", I)`.")]
            pub weight_ih_l0: Tensor<($rows, Const<I>), E, D>,
            #[doc = concat!("From the step before, `(", $text, ", H)`.")]
            pub weight_hh_l0: Tensor<($rows, Const<H>), E, D>,
            #[doc = concat!("Beside `weight_ih_l0`, `(", $text, ",)`.")]
            pub bias_ih_l0: Tensor<($rows,), E, D>,
            #[doc = concat!("Beside `weight_hh_l0`, `(", $text, ",)`.")]
            pub bias_hh_l0: Tensor<($rows,), E, D>,
        }

        impl<const I: usize, const H: usize, E: Real, D: Device<E>> TensorCollection<E, D> for $name<I, H, E, D> {
            type To<E2: Dtype, D2: Device<E2>> = $name<I, H, E2, D2>;

            fn iter_tensors<V: ModuleVisitor<Self, E, D>>(
                visitor: &mut V,
            ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
                visitor.visit_fields(
                    (
                        Self::tensor("weight_ih_l0", |s| &s.weight_ih_l0, |s| &mut s.weight_ih_l0, TensorOptions::reset_to_zeros()),
                        Self::tensor("weight_hh_l0", |s| &s.weight_hh_l0, |s| &mut s.weight_hh_l0, TensorOptions::reset_to_zeros()),
                        Self::tensor("bias_ih_l0", |s| &s.bias_ih_l0, |s| &mut s.bias_ih_l0, TensorOptions::reset_with($bias)),
                        Self::tensor("bias_hh_l0", |s| &s.bias_hh_l0, |s| &mut s.bias_hh_l0, TensorOptions::reset_to_zeros()),
                    ),
                    |(weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0)| $name {
                        weight_ih_l0,
                        weight_hh_l0,
                        bias_ih_l0,
                        bias_hh_l0,
                    },
                )
            }
        }

        impl<const I: usize, const H: usize, E: Real, D: LabDevice<E>> Single<E, D> for $name<I, H, E, D> {
            const SIZES: Sizes = Sizes { cell: $cell, input: I, hidden: H };

            fn parameters(&self) -> Result<Parameters<E, D>, D::Err> {
                Ok([
                    flat(&self.weight_ih_l0)?,
                    flat(&self.weight_hh_l0)?,
                    flat(&self.bias_ih_l0)?,
                    flat(&self.bias_hh_l0)?,
                ])
            }
        }

        impl<const I: usize, const H: usize, E: Real, D: LabDevice<E>> Recurrent<E, D> for $name<I, H, E, D> {
            type Input = Const<I>;
            type Output = Const<H>;
            type State<B: Dim> = $state;

            fn forward_with<B: Dim, N: Dim, T: Tape<E, D>>(
                &self,
                x: Tensor<(B, N, Const<I>), E, D, T>,
                state: Option<Self::State<B>>,
            ) -> Result<(Tensor<(B, N, Const<H>), E, D, T>, Self::State<B>), D::Err> {
                Plan { sizes: Self::SIZES, directions: vec![self.parameters()?] }.with_state(x, state)
            }
        }

        impl<const I: usize, const H: usize, E: Real, D: LabDevice<E>> Causal<E, D> for $name<I, H, E, D> {
            fn stream(&self) -> Result<Stream<E>, D::Err> {
                Plan { sizes: Self::SIZES, directions: vec![self.parameters()?] }.stream()
            }
        }

        impl<B: Dim, N: Dim, const I: usize, const H: usize, E: Real, D: LabDevice<E>> Layer<(B, N, Const<I>), E, D>
            for $name<I, H, E, D>
        {
            type Output = (B, N, Const<H>);

            fn apply(
                &self,
                chain: &mut Chain<E, D>,
                (rows, steps, _): (B, N, Const<I>),
            ) -> Result<Self::Output, D::Err> {
                let plan = Plan { sizes: Self::SIZES, directions: vec![self.parameters()?] };
                plan.apply(chain, rows.size(), steps.size())?;
                Ok((rows, steps, Const))
            }
        }

        module!([const I: usize, const H: usize,] $name<I, H, E, D>);
    };
}

recurrent! {
    /// Elman's recurrent layer, h' = tanh(W_ih x + b_ih + W_hh h + b_hh): `(batch, steps, I)` to `(batch, steps, H)`, the h of
    /// every step (PyTorch's [`RNN`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html) with
    /// `batch_first=True`). It forgets fast: [`Lstm`] and [`Gru`] were made for longer sequences.
    ///
    /// States: see [`Recurrent`]. Only the last step: [`LastStep`](super::LastStep) behind it.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, Rnn}, rng::Init};
    /// let layer: Rnn<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
    /// let y = layer.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap());
    /// assert_eq!(*y.shape(), (2, Const::<10>, Const::<8>));
    /// ```
    Rnn = Cell::Tanh, Const<H>, "H", Tensor<(B, Const<H>), E, D>, |bias| bias.try_fill_with_zeros()
}

recurrent! {
    /// [`Rnn`] with max(0, z) in place of tanh z (PyTorch's `RNN(nonlinearity="relu")`).
    ReluRnn = Cell::Relu, Const<H>, "H", Tensor<(B, Const<H>), E, D>, |bias| bias.try_fill_with_zeros()
}

recurrent! {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate by Gers et al. 2000): `(batch, steps, I)` to
    /// `(batch, steps, H)`, the h of every step (PyTorch's
    /// [`LSTM`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html) with `batch_first=True`).
    ///
    /// ```text
    /// i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh)   g = tanh(the same)   (each with its own H rows)
    /// c' = f * c + i * g                                 h' = o * tanh(c')
    /// ```
    ///
    /// Weights hold the gates in the order i, f, g, o. Unlike in PyTorch `bias_ih_l0` starts with 1 for the forget gate, 0 for the
    /// others (Jozefowicz et al. 2015): the memory is kept until training says otherwise.
    ///
    /// States: see [`Recurrent`]. Only the last step: [`LastStep`](super::LastStep) behind it. One step with plain operations:
    /// [`LstmCell`](super::LstmCell).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, LastStep, Linear, Lstm, Sequential}, rng::Init};
    /// type Net = Sequential<(Lstm<3, 8>, LastStep, Linear<8, 1>)>;
    /// let net: Net = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
    /// let y = net.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap());
    /// assert_eq!(*y.shape(), (2, Const::<1>));
    /// ```
    ///
    /// ```compile_fail
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, Lstm}, rng::Init};
    /// let layer: Lstm<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
    /// layer.forward(lab::windows::<10, 4>(vec![0.5; 80]).unwrap()); // 3 features a step, not 4
    /// ```
    Lstm = Cell::Lstm, Times<Const<H>, 4>, "4 H", (Tensor<(B, Const<H>), E, D>, Tensor<(B, Const<H>), E, D>), remember
}

recurrent! {
    /// Gated recurrent unit (Cho et al. 2014): `(batch, steps, I)` to `(batch, steps, H)`, the h of every step (PyTorch's
    /// [`GRU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html) with `batch_first=True`).
    ///
    /// ```text
    /// r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)   (each with its own H rows)
    /// n = tanh(W_in x + b_in + r * (W_hn h + b_hn))   h' = (1 - z) * n + z * h
    /// ```
    ///
    /// Weights hold the gates in the order r, z, n. States: see [`Recurrent`]. Only the last step: [`LastStep`](super::LastStep)
    /// behind it.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use lab::{nn::{self, Gru}, rng::Init};
    /// let layer: Gru<3, 8> = nn::build(&Cpu::default(), 1, Init::Xavier).unwrap();
    /// let y = layer.forward(lab::windows::<10, 3>(vec![0.5; 60]).unwrap());
    /// assert_eq!(*y.shape(), (2, Const::<10>, Const::<8>));
    /// ```
    Gru = Cell::Gru, Times<Const<H>, 3>, "3 H", Tensor<(B, Const<H>), E, D>, |bias| bias.try_fill_with_zeros()
}
