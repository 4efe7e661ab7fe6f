//! Group normalisation of images (Wu and He 2018): each image's channels are cut into groups, and each group is brought to mean 0
//! and variance 1 over its channels and pixels. One group is layer norm over an image, one channel a group instance norm.

// An index is a channel of several slices at once.
#![allow(clippy::needless_range_loop)]

use crate::{
    Real, dense,
    dispatch::{Work, wide},
    par::{self, Shared},
    pool::Buf,
};

/// Sizes of a batch of images `[pixel][image][channel]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Pixels of an image.
    pub pixels: usize,
    /// Images.
    pub images: usize,
    /// Channels.
    pub channels: usize,
    /// Groups; they divide the channels evenly.
    pub groups: usize,
}

impl Sizes {
    fn check(&self, x: usize, kept: usize, weight: usize) {
        assert!(self.groups > 0 && self.channels.is_multiple_of(self.groups), "group norm: channels in even groups");
        assert_eq!(x, self.pixels * self.images * self.channels, "group norm: elements");
        assert_eq!(kept, 2 * self.images * self.groups, "group norm: two numbers for each group");
        assert_eq!(weight, self.channels, "group norm: scales");
    }

    /// Channels of a group.
    fn wide(&self) -> usize {
        self.channels / self.groups
    }
}

/// y = (x − mean) inverse weight + bias; `kept` gets each image's groups' mean and inverse = 1 / sqrt(variance + epsilon).
///
/// # Panics
/// When the lengths do not fit.
pub fn forward<R: Real>(s: Sizes, x: &[R], weight: &[R], bias: &[R], epsilon: f64, y: &mut [R], kept: &mut [R]) {
    s.check(x.len(), kept.len(), weight.len());
    assert!(y.len() == x.len() && bias.len() == weight.len(), "group norm: output and shifts");
    let (out, keep) = (Shared::new(y), Shared::new(kept));
    par::each(s.images, |image| {
        // SAFETY: each image's numbers are written by one call.
        let kept = unsafe { keep.part(2 * image * s.groups, 2 * s.groups) };
        wide(Forward { s, image, x, weight, bias, epsilon, out: &out, kept });
    });
}

/// Turns `dy` into the gradient of x and adds those of weight and bias.
///
/// # Panics
/// When the lengths do not fit.
pub fn backward<R: Real>(
    s: Sizes,
    dy: &mut [R],
    x: &[R],
    weight: &[R],
    kept: &[R],
    d_weight: &mut [R],
    d_bias: &mut [R],
) {
    s.check(x.len(), kept.len(), weight.len());
    assert!(dy.len() == x.len() && d_weight.len() == s.channels && d_bias.len() == s.channels, "group norm: gradients");
    let mut sums = Buf::zeros(2 * s.images * s.channels);
    let (out, to) = (Shared::new(dy), Shared::new(&mut sums));
    par::each(s.images, |image| {
        // SAFETY: each image's sums are written by one call.
        let sums = unsafe { to.part(2 * image * s.channels, 2 * s.channels) };
        wide(Backward { s, image, x, weight, kept: &kept[2 * image * s.groups..], out: &out, sums });
    });
    for part in sums.chunks(2 * s.channels.max(1)) {
        dense::add(d_weight, &part[..s.channels]);
        dense::add(d_bias, &part[s.channels..]);
    }
}

struct Forward<'a, R> {
    s: Sizes,
    image: usize,
    x: &'a [R],
    weight: &'a [R],
    bias: &'a [R],
    epsilon: f64,
    out: &'a Shared<R>,
    kept: &'a mut [R],
}

impl<R: Real> Work for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (s, n) = (self.s, self.s.channels);
        let at = |pixel: usize| (pixel * s.images + self.image) * n;
        // Channel by channel, so that the loop over pixels works on vectors.
        let (mut sums, mut shift) = (vec![R::default(); n], vec![R::default(); n]);
        for pixel in 0..s.pixels {
            dense::add_inline(&mut sums, &self.x[at(pixel)..at(pixel) + n]);
        }
        let share = 1.0 / (s.pixels * s.wide()) as f64;
        let total = |sums: &[R], g: usize| {
            sums[g * s.wide()..(g + 1) * s.wide()].iter().map(|x| x.to_f64()).sum::<f64>() * share
        };
        for g in 0..s.groups {
            self.kept[2 * g] = R::of(total(&sums, g));
            shift[g * s.wide()..(g + 1) * s.wide()].fill(self.kept[2 * g]);
        }
        sums.fill(R::default());
        for pixel in 0..s.pixels {
            let x = &self.x[at(pixel)..at(pixel) + n];
            for j in 0..n {
                sums[j] += (x[j] - shift[j]) * (x[j] - shift[j]);
            }
        }
        let mut scale = self.weight.to_vec();
        for g in 0..s.groups {
            let inverse = R::of(1.0 / (total(&sums, g) + self.epsilon).sqrt());
            self.kept[2 * g + 1] = inverse;
            scale[g * s.wide()..(g + 1) * s.wide()].iter_mut().for_each(|w| *w = *w * inverse);
        }
        let bias = &self.bias[..n];
        for pixel in 0..s.pixels {
            let x = &self.x[at(pixel)..at(pixel) + n];
            // SAFETY: this image's pixels are written by this call alone.
            let y = unsafe { self.out.part(at(pixel), n) };
            for j in 0..n {
                y[j] = (x[j] - shift[j]) * scale[j] + bias[j];
            }
        }
    }
}

struct Backward<'a, R> {
    s: Sizes,
    image: usize,
    x: &'a [R],
    weight: &'a [R],
    kept: &'a [R],
    out: &'a Shared<R>,
    sums: &'a mut [R],
}

impl<R: Real> Work for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (s, n) = (self.s, self.s.channels);
        let at = |pixel: usize| (pixel * s.images + self.image) * n;
        let (d_weight, d_bias) = self.sums.split_at_mut(n);
        let of = |which: usize| -> Vec<R> { (0..n).map(|c| self.kept[2 * (c / s.wide()) + which]).collect() };
        let (mean, inverse) = (of(0), of(1));
        for pixel in 0..s.pixels {
            let x = &self.x[at(pixel)..at(pixel) + n];
            // SAFETY: this image's pixels are read and written by this call alone.
            let dy = unsafe { self.out.part(at(pixel), n) };
            for j in 0..n {
                d_weight[j] += dy[j] * ((x[j] - mean[j]) * inverse[j]);
                d_bias[j] += dy[j];
            }
        }
        let share = 1.0 / (s.pixels * s.wide()) as f64;
        let total = |sums: &[R], c: usize| {
            let group = c / s.wide() * s.wide()..(c / s.wide() + 1) * s.wide();
            R::of(group.map(|c| sums[c].to_f64() * self.weight[c].to_f64()).sum::<f64>() * share)
        };
        let (mut centre, mut tilt) = (vec![R::default(); n], vec![R::default(); n]);
        for c in (0..n).step_by(s.wide().max(1)) {
            centre[c..c + s.wide()].fill(total(d_bias, c));
            tilt[c..c + s.wide()].fill(total(d_weight, c));
        }
        let weight = &self.weight[..n];
        for pixel in 0..s.pixels {
            let x = &self.x[at(pixel)..at(pixel) + n];
            // SAFETY: as above.
            let dy = unsafe { self.out.part(at(pixel), n) };
            for j in 0..n {
                dy[j] = inverse[j] * (dy[j] * weight[j] - centre[j] - (x[j] - mean[j]) * inverse[j] * tilt[j]);
            }
        }
    }
}
