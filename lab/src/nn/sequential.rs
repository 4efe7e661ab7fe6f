use dfdx::{
    nn::tensor_collection::{ModuleVisitor, TensorCollection},
    shapes::{Dtype, Shape},
    tensor_ops::Device,
};

use super::{Layer, Real, module};
use crate::ops::{Chain, LabDevice};

/// Layers one after the other (up to sixteen; a `Sequential` may hold others), run as one operation on the tape.
///
/// Parameters are named as PyTorch's `Sequential` names them: `0.weight`, `0.bias`, `2.weight`, ...
///
/// ```
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear, Relu, Sequential}, rng::Init};
/// type Net = Sequential<(Linear<784, 64>, Relu, Linear<64, 10>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// let logits = net.forward(lab::rows::<784>(vec![0.5; 2 * 784]).unwrap());
/// assert_eq!(*logits.shape(), (2, Const::<10>));
/// ```
///
/// Widths that do not meet are refused by the compiler:
///
/// ```compile_fail
/// use dfdx::prelude::*;
/// use lab::{nn::{self, Linear, Relu, Sequential}, rng::Init};
/// type Net = Sequential<(Linear<784, 64>, Relu, Linear<65, 10>)>;
/// let net: Net = nn::build(&Cpu::default(), 1, Init::Kaiming).unwrap();
/// net.forward(lab::rows::<784>(vec![0.5; 2 * 784]).unwrap()); // 64 values, the next layer takes 65
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequential<L>(pub L);

impl<L, S: Shape, E: Real, D: LabDevice<E>> Layer<S, E, D> for Sequential<L>
where
    L: Layer<S, E, D>,
{
    type Output = L::Output;

    fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        self.0.apply(chain, shape)
    }

    fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<L::Output, D::Err> {
        self.0.apply_mut(chain, shape)
    }
}

module!([L,] Sequential<L>);

// dfdx takes tuples of up to six fields, which may be tuples themselves.
macro_rules! nested {
    ($last:tt) => { ($last,) };
    ($first:tt $($rest:tt)+) => { ($first, nested!($($rest)+)) };
}

macro_rules! tuples {
    ($(($($layer:ident $index:tt $before:ty),+; $last:ident))*) => {$(
        impl<S: Shape, E: Real, D: LabDevice<E>, $($layer),+> Layer<S, E, D> for ($($layer,)+)
        where
            $($layer: Layer<$before, E, D>),+
        {
            type Output = $last::Output;

            fn apply(&self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
                $(let shape = self.$index.apply(chain, shape)?;)+
                Ok(shape)
            }

            fn apply_mut(&mut self, chain: &mut Chain<E, D>, shape: S) -> Result<Self::Output, D::Err> {
                $(let shape = self.$index.apply_mut(chain, shape)?;)+
                Ok(shape)
            }
        }

        impl<E: Dtype, D: Device<E>, $($layer: TensorCollection<E, D>),+> TensorCollection<E, D> for Sequential<($($layer,)+)> {
            type To<E2: Dtype, D2: Device<E2>> = Sequential<($($layer::To<E2, D2>,)+)>;

            fn iter_tensors<V: ModuleVisitor<Self, E, D>>(
                visitor: &mut V,
            ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
                #[allow(non_snake_case)]
                visitor.visit_fields(
                    nested!($((Self::module(stringify!($index), |s: &Self| &s.0.$index, |s: &mut Self| &mut s.0.$index)))+),
                    |nested!($($layer)+)| Sequential(($($layer,)+)),
                )
            }
        }
    )*};
}

/// `tuples!` for the tuples of one, two, ... of the layers named.
macro_rules! grow {
    ([$($done:tt)*] $last:ident;) => {};
    ([$($done:tt)*] $last:ident; $layer:ident $index:tt $($rest:tt)*) => {
        tuples!(($($done)* $layer $index $last::Output; $layer));
        grow!([$($done)* $layer $index $last::Output,] $layer; $($rest)*);
    };
}

tuples!((A 0 S; A));
grow!([A 0 S,] A; B 1 C 2 F 3 G 4 H 5 I 6 J 7 K 8 L 9 M 10 N 11 O 12 P 13 Q 14 R 15);
