//! The kernels for `f32` and `f64`, as code of this crate.

use crate::{
    attention, batch_norm,
    brgemm::{Element, Finish},
    conv, curves,
    dense::{self, Activation},
    dropout, embedding, group_norm, gumbel, layer_norm, linear,
    loss::{self, Classes, Pair},
    optim::{self, Clip, Rule, Slot},
    recurrent::{self, Packed},
    softmax, spectral,
};

macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? = $path:path;)*) => {
        /// All kernels that exist for more than one element type.
        ///
        /// They panic when slices that belong together differ in length.
        pub trait Kernels: Element {
            $($(#[$doc])* fn $name($($arg: $type),*) $(-> $out)?;)*
        }
        kernels!(@impl f32 $($name($($arg: $type),*) $(-> $out)? = $path;)*);
        kernels!(@impl f64 $($name($($arg: $type),*) $(-> $out)? = $path;)*);
    };
    (@impl $real:ident $($name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? = $path:path;)*) => {
        impl Kernels for $real {
            $(#[inline(never)] fn $name($($arg: $type),*) $(-> $out)? { $path($($arg),*) })*
        }
    };
}

kernels! {
    /// z becomes activation(z + bias), for rows of `bias.len()` values.
    fn dense_forward(z: &mut [Self], bias: &[Self], activation: Activation) = dense::forward;
    /// `gradient`, dL/dy, becomes dL/dz, given the layer's output y; `d_bias` gets the sums of its columns added.
    fn dense_backward(gradient: &mut [Self], y: &[Self], d_bias: &mut [Self], activation: Activation) = dense::backward;
    /// A dense layer's output: see [`linear::forward`].
    fn linear_forward(sizes: linear::Sizes, x: &[Self], weight: &[Self], y: &mut [Self], finish: Finish<'_, Self>) = linear::forward;
    /// A dense layer's input gradient: see [`linear::input_gradient`].
    fn linear_input_gradient(sizes: linear::Sizes, dz: &[Self], weight: &[Self], dx: &mut [Self]) = linear::input_gradient;
    /// A dense layer's weight gradient: see [`linear::weight_gradient`].
    fn linear_weight_gradient(sizes: linear::Sizes, dz: &[Self], x: &[Self], dw: &mut [Self]) = linear::weight_gradient;
    /// See [`linear::ordered`].
    fn linear_ordered(sizes: linear::Sizes, weight: &[Self], out: &mut [Self]) = linear::ordered;
    /// See [`linear::add_ordered`].
    fn linear_add_ordered(sizes: linear::Sizes, ordered: &[Self], sum: &mut [Self]) = linear::add_ordered;
    /// See [`conv::small_from_big`].
    fn conv_small_from_big(sizes: conv::Sizes<'_>, x: &[Self], filter: &[Self], y: &mut [Self], finish: Finish<'_, Self>) = conv::small_from_big;
    /// See [`conv::big_from_small`].
    fn conv_big_from_small(sizes: conv::Sizes<'_>, x: &[Self], filter: &[Self], y: &mut [Self], finish: Finish<'_, Self>) = conv::big_from_small;
    /// See [`conv::filter_gradient`].
    fn conv_filter_gradient(sizes: conv::Sizes<'_>, big: &[Self], small: &[Self], dw: &mut [Self]) = conv::filter_gradient;
    /// See [`conv::sum_pool`].
    fn sum_pool(plan: &conv::Geometry, width: usize, x: &[Self], y: &mut [Self], share: conv::Share) = conv::sum_pool;
    /// See [`conv::sum_pool_back`].
    fn sum_pool_back(plan: &conv::Geometry, width: usize, x: &[Self], y: &mut [Self], share: conv::Share) = conv::sum_pool_back;
    /// See [`conv::max_pool`].
    fn max_pool(plan: &conv::Geometry, width: usize, x: &[Self], y: &mut [Self], winners: &mut [Self]) = conv::max_pool;
    /// See [`conv::max_pool_back`].
    fn max_pool_back(plan: &conv::Geometry, width: usize, dy: &[Self], winners: &[Self], dx: &mut [Self]) = conv::max_pool_back;
    /// `(images, channels, pixels)` in PyTorch's order to `[pixel][image][channel]`.
    fn to_pixels(sizes: (usize, usize, usize), x: &[Self], y: &mut [Self]) = conv::to_hwnc;
    /// `[pixel][image][channel]` to PyTorch's order, sizes `(images, channels, pixels)`.
    fn from_pixels(sizes: (usize, usize, usize), x: &[Self], y: &mut [Self]) = conv::from_hwnc;
    /// A recurrent layer's weights, ready for [`Kernels::recurrent_forward`].
    fn recurrent_pack(sizes: recurrent::Sizes, weights: recurrent::Weights<'_, Self>) -> Packed<Self> = Packed::new;
    /// Runs the sequences `x`, `(rows, steps, input)`, from `initial`; with a trace for the way back if `keep`.
    fn recurrent_forward(
        batch: recurrent::Batch, x: &[Self], weights: &Packed<Self>, initial: &recurrent::State<Self>, keep: bool
    ) -> recurrent::Run<Self> = recurrent::forward;
    /// A recurrent layer's gradients from those of every h, `(rows, steps, hidden)` (empty for none), and of the last h and c.
    fn recurrent_backward(
        trace: recurrent::Trace<Self>, weights: recurrent::Weights<'_, Self>, d_hidden: &[Self],
        d_last: &recurrent::State<Self>, want_input: bool, want_weights: bool
    ) -> recurrent::Grads<Self> = recurrent::backward;
    /// The last step of each row (zeros where there is none), sizes `(steps, width)`: `(rows, steps, width)` to `(rows, width)`.
    fn last_step(sizes: (usize, usize), x: &[Self], y: &mut [Self]) = recurrent::last_step;
    /// Writes the last step of each row of a `dx` of zeros; sizes `(steps, width)`.
    fn put_last_step(sizes: (usize, usize), dy: &[Self], dx: &mut [Self]) = recurrent::put_last_step;
    /// Columns `from..from + n` of rows of `width` values, as rows of their own; sizes `(width, from, n)`.
    fn columns(sizes: (usize, usize, usize), x: &[Self], y: &mut [Self]) = recurrent::columns;
    /// Writes rows `y` of `n` values into the columns `from..from + n` of `x`; sizes `(width, from, n)`.
    fn put_columns(sizes: (usize, usize, usize), y: &[Self], x: &mut [Self]) = recurrent::put_columns;
    /// ½ (mean² + exp(log_var) − 1 − log_var), summed over each row.
    fn kl_rows(mean: &[Self], log_var: &[Self], width: usize) -> Vec<Self> = loss::kl_rows;
    /// See [`loss::kl`].
    fn kl(mean: &[Self], log_var: &[Self], slopes: (&mut [Self], &mut [Self])) -> f64 = loss::kl;
    /// max(l, 0) − l t + ln(1 + exp(−|l|)), summed over each row.
    fn bce_rows(logits: &[Self], targets: &[Self], width: usize) -> Vec<Self> = loss::bce_rows;
    /// See [`loss::pair`].
    fn pair_loss(kind: Pair, x: &[Self], targets: &[Self], weights: &[Self], gradient: &mut [Self]) -> f64 = loss::pair;
    /// See [`loss::cross_entropy`].
    fn cross_entropy(logits: &[Self], classes: Classes<'_, Self>, gradient: &mut [Self]) -> (f64, f64) = loss::cross_entropy;
    /// See [`loss::add_scaled`].
    fn add_scaled(sum: &mut [Self], x: &[Self], factor: Self) = loss::add_scaled;
    /// (prediction − target)², summed over each row.
    fn squared_rows(prediction: &[Self], target: &[Self], width: usize) -> Vec<Self> = loss::squared_rows;
    /// ½ ((target − prediction)² exp(−log_var) + log_var + ln 2π), summed over each row; one log_var for each column.
    fn nll_rows(prediction: &[Self], target: &[Self], log_var: &[Self]) -> Vec<Self> = loss::nll_rows;
    /// See [`loss::nll`].
    fn nll(prediction: &[Self], target: &[Self], log_var: &[Self], slopes: (&mut [Self], &mut [Self])) -> f64 = loss::nll;
    /// mean + exp(log_var / 2) noise.
    fn reparameterise(mean: &[Self], log_var: &[Self], noise: &[Self]) -> Vec<Self> = loss::reparameterise;
    /// Gradient for log_var of [`Kernels::reparameterise`], given that for its result (which is also that for the mean).
    fn reparameterise_backward(gradient: &[Self], log_var: &[Self], noise: &[Self]) -> Vec<Self> = loss::reparameterise_backward;
    /// Mean and variance of each column: see [`batch_norm::moments`].
    fn batch_moments(x: &[Self], width: usize) -> batch_norm::Moments<Self> = batch_norm::moments;
    /// See [`batch_norm::update_running`].
    fn batch_update(mean: &mut [Self], variance: &mut [Self], batch: &batch_norm::Moments<Self>, rows: usize, momentum: f64) = batch_norm::update_running;
    /// See [`batch_norm::Norm::new`].
    fn batch_norm(moments: batch_norm::Moments<Self>, epsilon: f64, weight: &[Self], bias: &[Self]) -> batch_norm::Norm<Self> = batch_norm::Norm::new;
    /// See [`batch_norm::forward`].
    fn batch_forward(x: &[Self], norm: &batch_norm::Norm<Self>, activation: Activation, y: &mut [Self]) = batch_norm::forward;
    /// See [`batch_norm::backward`].
    fn batch_backward(
        dy: &mut [Self], y: &[Self], x: &[Self], norm: &batch_norm::Norm<Self>, activation: Activation, input: batch_norm::Input,
        sums: (&mut [Self], &mut [Self])
    ) = batch_norm::backward;
    /// See [`layer_norm::forward`].
    fn layer_forward(x: &[Self], weight: &[Self], bias: &[Self], epsilon: f64, y: &mut [Self], kept: &mut [Self]) = layer_norm::forward;
    /// See [`layer_norm::backward`].
    fn layer_backward(dy: &mut [Self], x: &[Self], weight: &[Self], kept: &[Self], d_weight: &mut [Self], d_bias: &mut [Self]) = layer_norm::backward;
    /// See [`dropout::forward`].
    fn dropout_forward(key: &[u8; 32], drop: f64, x: &[Self], y: &mut [Self], kept: &mut [u32]) = dropout::forward;
    /// See [`dropout::backward`].
    fn dropout_backward(dy: &mut [Self], drop: f64, kept: &[u32]) = dropout::backward;
    /// See [`optim::update`].
    fn optimise(rule: &Rule, clip: Clip, slots: &mut [Slot<'_, Self>]) = optim::update;
    /// See [`optim::squares`].
    fn squares(gradients: &[&[Self]], bound: f64) -> (f64, bool) = optim::squares;
    /// See [`optim::average`].
    fn average(decay: f64, pairs: &mut [(&mut [Self], &[Self])]) = optim::average;
    /// See [`attention::forward`].
    fn attention_forward(
        s: attention::Sizes, x: attention::Input<'_, Self>, limits: attention::Limits<'_, Self>, y: &mut [Self], stats: &mut [Self]
    ) = attention::forward;
    /// See [`attention::backward`].
    fn attention_backward(
        s: attention::Sizes, x: attention::Input<'_, Self>, limits: attention::Limits<'_, Self>, dy: &[Self], stats: &[Self],
        out: attention::Output<'_, Self>
    ) = attention::backward;
    /// See [`softmax::forward`].
    fn softmax_forward(x: &[Self], width: usize, log: bool, y: &mut [Self]) = softmax::forward;
    /// See [`softmax::backward`].
    fn softmax_backward(dy: &mut [Self], y: &[Self], width: usize, log: bool) = softmax::backward;
    /// y = curve(x).
    fn curve_forward(x: &[Self], curve: curves::Curve, y: &mut [Self]) = curves::forward;
    /// The gradient of y becomes that of x.
    fn curve_backward(dy: &mut [Self], x: &[Self], curve: curves::Curve) = curves::backward;
    /// See [`embedding::gather`].
    fn gather(ids: &[usize], table: &[Self], width: usize, y: &mut [Self]) = embedding::gather;
    /// See [`embedding::scatter`].
    fn scatter(ids: &[usize], dy: &[Self], width: usize, d_table: &mut [Self]) = embedding::scatter;
    /// See [`embedding::add_table`].
    fn add_table(x: &[Self], table: &[Self], y: &mut [Self]) = embedding::add_table;
    /// See [`embedding::sum_tables`].
    fn sum_tables(x: &[Self], sum: &mut [Self]) = embedding::sum_tables;
    /// See [`embedding::sinusoids`].
    fn sinusoids(steps: usize, width: usize, table: &mut [Self]) = embedding::sinusoids;
    /// See [`embedding::step`].
    fn step(x: &[Self], sizes: (usize, usize, usize), y: &mut [Self]) = embedding::step;
    /// See [`embedding::step_back`].
    fn step_back(dy: &[Self], sizes: (usize, usize, usize), dx: &mut [Self]) = embedding::step_back;
    /// x *= factor.
    fn scale(x: &mut [Self], factor: Self) = embedding::scale;
    /// See [`group_norm::forward`].
    fn group_forward(s: group_norm::Sizes, x: &[Self], weight: &[Self], bias: &[Self], epsilon: f64, y: &mut [Self], kept: &mut [Self]) = group_norm::forward;
    /// See [`group_norm::backward`].
    fn group_backward(
        s: group_norm::Sizes, dy: &mut [Self], x: &[Self], weight: &[Self], kept: &[Self], d_weight: &mut [Self], d_bias: &mut [Self]
    ) = group_norm::backward;
    /// See [`spectral::iterate`].
    fn spectral_iterate(weight: &[Self], u: &mut [Self], v: &mut [Self]) = spectral::iterate;
    /// See [`spectral::right`].
    fn spectral_right(weight: &[Self], u: &[Self], v: &mut [Self]) = spectral::right;
    /// See [`spectral::divide`].
    fn spectral_divide(weight: &[Self], u: &[Self], v: &[Self], out: &mut [Self]) -> Self = spectral::divide;
    /// See [`spectral::divide_back`].
    fn spectral_back(d: &[Self], divided: &[Self], uv: (&[Self], &[Self]), sigma: Self, dw: &mut [Self]) = spectral::divide_back;
    /// See [`gumbel::forward`].
    fn gumbel_forward(key: Option<&[u8; 32]>, x: &[Self], width: usize, temperature: f64, y: &mut [Self]) = gumbel::forward;
    /// See [`gumbel::harden`].
    fn harden(y: &mut [Self], width: usize) = gumbel::harden;
    /// y += x, in parallel.
    fn add_all(y: &mut [Self], x: &[Self]) = embedding::add;
    /// sum += x, element by element.
    fn add(sum: &mut [Self], x: &[Self]) = dense::add;
}
