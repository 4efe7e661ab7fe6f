//! Checks of exercise 2: values against ln(1 + exp(l)) in f64, gradients against its derivative, the sigmoid.

use super::answer::{discriminator_loss, generator_loss};
use crate::harness::{Checks, close, number};
use lathe::prelude::*;

pub fn checks(c: &mut Checks) {
    c.part("discriminator_loss", |p| {
        p.property("a discriminator that cannot decide (all logits 0) has the loss 2 ln 2", || {
            close("4 real and 4 drawn images", d_loss([0.0; 4], [0.0; 4]).0, 2.0 * 2f64.ln(), 1e-5)
        });
        p.property(
            "it falls when D is surer that a real image is real, and when it is surer that a drawn one is drawn",
            || {
                let (_, real, fake) = d_loss([0.3, -0.4, 1.2, 0.1], [0.2, -1.0, 0.6, -0.1]);
                for g in real {
                    if g.is_nan() || g >= 0.0 {
                        return Err(format!("its slope in the logit of a real image is {}, not negative", number(g)));
                    }
                }
                for g in fake {
                    if g.is_nan() || g <= 0.0 {
                        return Err(format!("its slope in the logit of a drawn image is {}, not positive", number(g)));
                    }
                }
                Ok(())
            },
        );
        p.property("it is -E[ ln D(real) ] - E[ ln(1 - D(G(z))) ], each a mean over the batch", || {
            let (real, fake) = ([1.5, -0.5, 0.7, 2.2], [-2.0, 0.3, 0.1, -0.9]);
            let expected = mean(real.map(|l| softplus(-l))) + mean(fake.map(softplus));
            close(
                "logits [1.5, -0.5, 0.7, 2.2] for real, [-2, 0.3, 0.1, -0.9] for drawn images",
                d_loss(real, fake).0,
                expected,
                1e-4,
            )
        });
        p.property("a batch that holds the same images again has the same loss", || {
            let (once, again) = (d_loss([1.0], [0.4]), d_loss([1.0; 4], [0.4; 4]));
            close("4 times the same images", again.0, once.0, 1e-4)
        });
        p.property("it is finite for logits of +-10000", || {
            close("wrong and sure: real -10000, drawn 10000", d_loss([-1e4], [1e4]).0, 2e4, 1e-4)?;
            close("right and sure: real 10000, drawn -10000", d_loss([1e4], [-1e4]).0, 0.0, 1e-4)
        });
        p.property("where D is wrong and sure, its gradient is 1 per image: it learns from its mistakes", || {
            let (_, real, fake) = d_loss([-30.0], [30.0]);
            close("real image, logit -30", real[0], -1.0, 1e-4)?;
            close("drawn image, logit 30", fake[0], 1.0, 1e-4)
        });
        p.probe("moderate", || flat(d_loss([0.2, 0.9, 0.6, 0.5], [0.7, 0.3, 0.4, 0.8])));
        p.probe("mixed", || flat(d_loss([2.0, -1.0, 0.4, -0.1], [-1.5, 0.8, -0.6, 2.5])));
        p.probe("sure", || flat(d_loss([-200.0], [200.0])));
    });
    c.part("generator_loss", |p| {
        p.property("with a discriminator that cannot decide (all logits 0) it is ln 2", || {
            close("4 images", g_loss([0.0; 4]).0, 2f64.ln(), 1e-5)
        });
        p.property("it falls when a drawn image is taken for real", || {
            let slope = g_loss([0.5]).1[0];
            if slope < 0.0 { Ok(()) } else { Err(format!("its slope in the logit is {}, not negative", number(slope))) }
        });
        p.property("it is -E[ ln D(G(z)) ], a mean over the batch", || {
            let fake = [-2.0, 0.3, 0.1, -0.9];
            close("logits [-2, 0.3, 0.1, -0.9]", g_loss(fake).0, mean(fake.map(|l| softplus(-l))), 1e-4)
        });
        p.property("where D is sure that an image is drawn, G has its steepest slope", || {
            close("gradient for logit -20", g_loss([-20.0]).1[0], -1.0, 1e-4)
        });
        p.property("it is finite and has a gradient for logits of +-10000", || {
            let (loss, slope) = g_loss([-1e4]);
            close("loss for logit -10000", loss, 1e4, 1e-4)?;
            close("gradient for logit -10000", slope[0], -1.0, 1e-4)?;
            close("loss for logit 10000", g_loss([1e4]).0, 0.0, 1e-4)
        });
        p.probe("moderate", || flat2(g_loss([0.7, 0.3, 0.4, 0.8])));
        p.probe("mixed", || flat2(g_loss([-1.5, 0.8, -0.6, 2.5])));
        p.probe("sure", || flat2(g_loss([-200.0])));
    });
}

/// The loss and its gradients with respect to the logits. (Few batch sizes: each is compiled anew.)
fn d_loss<const B: usize>(real: [f32; B], fake: [f32; B]) -> (f64, [f64; B], [f64; B]) {
    let device = Cpu::default();
    let (real, fake) = (device.tensor(real.map(|l| [l])), device.tensor(fake.map(|l| [l])));
    let loss = discriminator_loss(real.leaky_trace(), fake.leaky_trace());
    let value = loss.array().into();
    let gradients = loss.backward();
    (value, slopes(&gradients, &real), slopes(&gradients, &fake))
}

fn g_loss<const B: usize>(fake: [f32; B]) -> (f64, [f64; B]) {
    let device = Cpu::default();
    let fake = device.tensor(fake.map(|l| [l]));
    let loss = generator_loss(fake.leaky_trace());
    let value = loss.array().into();
    let gradients = loss.backward();
    (value, slopes(&gradients, &fake))
}

fn slopes<const B: usize>(gradients: &Gradients<f32, Cpu>, logits: &Tensor<Rank2<B, 1>, f32, Cpu>) -> [f64; B] {
    gradients.get(logits).array().map(|row| row[0].into())
}

fn flat<const B: usize>((loss, real, fake): (f64, [f64; B], [f64; B])) -> Vec<f64> {
    [loss].into_iter().chain(real).chain(fake).collect()
}

fn flat2<const B: usize>((loss, slopes): (f64, [f64; B])) -> Vec<f64> {
    [loss].into_iter().chain(slopes).collect()
}

fn softplus(l: f32) -> f64 {
    let l = f64::from(l);
    l.max(0.0) + (-l.abs()).exp().ln_1p()
}

fn mean<const B: usize>(values: [f64; B]) -> f64 {
    values.iter().sum::<f64>() / B as f64
}
