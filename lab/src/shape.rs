//! Sizes that the compiler works out: what a convolution leaves of a height is a type.
//!
//! dfdx's shapes are tuples of [`Dim`]s. Besides its own `Const<N>` and `usize` there are here dims that are *computed* from
//! others, so that a network's layers agree about heights and widths without anybody writing them down:
//!
//! ```
//! use dfdx::shapes::{Const, ConstDim};
//! use lab::shape::ConvOut;
//! // Kernel 5, stride 2, padding 2, twice.
//! type Once = ConvOut<Const<28>, 5, 2, 2>;
//! assert_eq!(<ConvOut<Once, 5, 2, 2> as ConstDim>::SIZE, 7);
//! ```
//!
//! A size that cannot be is an error of the build that names the numbers (`cargo check` does not compute constants: only
//! `cargo build`, `cargo test`, `cargo run` and a notebook's cell see it):
//!
//! ```compile_fail
//! use dfdx::shapes::{Const, ConstDim};
//! // error: convolution: kernel 7 is larger than the input of 4 with padding 1 on each side
//! const NONE: usize = <lab::shape::ConvOut<Const<4>, 7, 1, 1> as ConstDim>::SIZE;
//! println!("{NONE}");
//! ```
//!
//! Computed dims nest. [`As`](crate::nn::As) turns them into plain `Const`s wherever a reader is to see the numbers.

mod text;

use std::{fmt, marker::PhantomData};

use dfdx::shapes::{ConstDim, Dim};

use text::Part::{Size, Text};
pub(crate) use text::{Part, fail};

macro_rules! dims {
    ($($(#[$doc:meta])* $name:ident<$($of:ident),+ $(; $($n:ident $(= $default:literal)?),+)?> = $size:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name<$($of,)+ $($(const $n: usize $(= $default)?),+)?>(PhantomData<($($of,)+)>);

        impl<$($of: ConstDim,)+ $($(const $n: usize),+)?> ConstDim for $name<$($of,)+ $($($n),+)?> {
            const SIZE: usize = $size;
        }

        impl<$($of: ConstDim,)+ $($(const $n: usize),+)?> Dim for $name<$($of,)+ $($($n),+)?> {
            fn size(&self) -> usize {
                Self::SIZE
            }

            fn from_size(size: usize) -> Option<Self> {
                (size == Self::SIZE).then(Self::default)
            }
        }

        impl<$($of: ConstDim,)+ $($(const $n: usize),+)?> fmt::Debug for $name<$($of,)+ $($($n),+)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", Self::SIZE)
            }
        }
    )*};
}

dims! {
    /// floor((H + 2 P - DIL (K - 1) - 1) / S) + 1: what a convolution with kernel K, stride S, padding P and dilation DIL makes
    /// of a height or width H (the formula of PyTorch's
    /// [`Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html)).
    ConvOut<H; K, S = 1, P = 0, DIL = 1> = conv_out("convolution", H::SIZE, K, S, P, DIL);
    /// The same for a pooling layer, which, like PyTorch's, takes at most half a kernel of padding.
    PoolOut<H; K, S, P = 0> = pool_out(H::SIZE, K, S, P);
    /// (H - 1) S - 2 P + DIL (K - 1) + OP + 1: what a transposed convolution makes of H (the formula of PyTorch's
    /// [`ConvTranspose2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html)).
    ConvTransposeOut<H; K, S = 1, P = 0, OP = 0, DIL = 1> = conv_transpose_out(H::SIZE, K, S, P, OP, DIL);
    /// N times as many.
    Times<H; N> = H::SIZE * N;
    /// A and then B: what concatenation gives.
    Sum<A, B> = A::SIZE + B::SIZE;
    /// C / G: channels of each of G groups. G must divide C.
    PerGroup<C; G> = per_group(C::SIZE, G);
}

const fn conv_out(
    what: &'static str,
    length: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    step: usize,
) -> usize {
    if kernel == 0 || stride == 0 || step == 0 {
        fail(&[
            Text(what),
            Text(": kernel "),
            Size(kernel),
            Text(", stride "),
            Size(stride),
            Text(" and dilation "),
            Size(step),
            Text(": each must be at least 1"),
        ]);
    }
    let reach = step * (kernel - 1) + 1;
    if length + 2 * padding < reach {
        fail(&[
            Text(what),
            Text(": kernel "),
            Size(reach),
            Text(" is larger than the input of "),
            Size(length),
            Text(" with padding "),
            Size(padding),
            Text(" on each side"),
        ]);
    }
    (length + 2 * padding - reach) / stride + 1
}

const fn pool_out(length: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    if 2 * padding > kernel {
        fail(&[Text("pooling: padding "), Size(padding), Text(" is more than half of the kernel "), Size(kernel)]);
    }
    conv_out("pooling", length, kernel, stride, padding, 1)
}

const fn conv_transpose_out(
    length: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    extra: usize,
    step: usize,
) -> usize {
    if kernel == 0 || stride == 0 || step == 0 {
        fail(&[
            Text("transposed convolution: kernel "),
            Size(kernel),
            Text(", stride "),
            Size(stride),
            Text(" and dilation "),
            Size(step),
            Text(": each must be at least 1"),
        ]);
    }
    if extra >= stride && extra >= step {
        fail(&[
            Text("transposed convolution: output padding "),
            Size(extra),
            Text(" must be smaller than the stride "),
            Size(stride),
            Text(" or the dilation "),
            Size(step),
        ]);
    }
    if length == 0 {
        fail(&[Text("transposed convolution: the input has no pixels")]);
    }
    let full = (length - 1) * stride + step * (kernel - 1) + extra + 1;
    if full <= 2 * padding {
        fail(&[
            Text("transposed convolution: padding "),
            Size(padding),
            Text(" on each side leaves nothing of an output of "),
            Size(full),
        ]);
    }
    full - 2 * padding
}

const fn per_group(channels: usize, groups: usize) -> usize {
    if groups == 0 || !channels.is_multiple_of(groups) {
        fail(&[Size(channels), Text(" channels cannot be cut into "), Size(groups), Text(" equal groups")]);
    }
    channels / groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::shapes::Const;

    /// Every expected number is what PyTorch 2.15 gives, e.g.
    /// `torch.nn.ConvTranspose1d(1, 1, 5, 2, 2, output_padding=1)(torch.zeros(1, 1, 7)).shape[-1] == 14`.
    #[test]
    fn sizes_are_pytorchs() {
        type Odd = Const<9>;
        assert_eq!(<ConvOut<Const<28>, 5, 2, 2> as ConstDim>::SIZE, 14);
        assert_eq!(<ConvOut<Odd, 2, 5> as ConstDim>::SIZE, 2);
        assert_eq!(<ConvOut<Const<10>, 3, 1, 1, 2> as ConstDim>::SIZE, 8);
        assert_eq!(<ConvTransposeOut<Const<7>, 5, 2, 2, 1> as ConstDim>::SIZE, 14);
        assert_eq!(<ConvTransposeOut<Const<7>, 4, 2, 1> as ConstDim>::SIZE, 14);
        assert_eq!(<ConvTransposeOut<Const<3>, 3, 2, 1, 2, 3> as ConstDim>::SIZE, 11);
        assert_eq!(<PoolOut<Odd, 3, 2, 1> as ConstDim>::SIZE, 5);
        assert_eq!(<Sum<Times<Odd, 2>, PerGroup<Const<12>, 3>> as ConstDim>::SIZE, 22);
    }

    #[test]
    fn a_computed_dim_is_a_dim() {
        type Half = ConvOut<Const<28>, 4, 2, 1>;
        assert_eq!(Half::from_size(14), Some(Half::default()));
        assert_eq!(Half::from_size(13), None);
        assert_eq!(format!("{:?}", Half::default()), "14");
    }
}
