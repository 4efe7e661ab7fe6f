use lathe_kernels::optim::Rule;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StepError;

/// What every optimiser has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Common {
    /// Size of a step.
    pub learning_rate: f64,
    /// Pull towards zero.
    pub weight_decay: f64,
    /// Whether vectors, that is biases and the gains of norms, are spared from weight decay.
    pub exclude_vectors: bool,
    /// Largest global norm of the gradients.
    pub clip_norm: Option<f64>,
    /// Largest size of each element of the gradients.
    pub clip_value: Option<f64>,
}

/// The settings of an optimiser, which say which one it is.
pub trait Method: Copy + Serialize + DeserializeOwned {
    /// What its states are called in files.
    const NAME: &'static str;

    /// What it has in common with the others.
    fn common(&self) -> Common;

    /// Another learning rate, for schedules.
    fn set_learning_rate(&mut self, rate: f64);

    /// The arithmetic of step number `steps`, the first of which is 1.
    fn rule(&self, steps: u64) -> Rule;

    /// Names of the states, in the kernel's order.
    fn states(&self) -> Vec<&'static str>;

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// [`StepError::Config`].
    fn check(&self) -> Result<(), StepError>;
}

fn check(fields: &[(&'static str, f64, std::ops::Range<f64>, &'static str)]) -> Result<(), StepError> {
    match fields.iter().find(|(_, value, range, _)| !range.contains(value)) {
        Some((field, value, _, remedy)) => Err(StepError::Config { field, value: *value, remedy }),
        None => Ok(()),
    }
}

const POSITIVE: std::ops::Range<f64> = 0.0..f64::INFINITY;
const DECAY: &str = "it must be in [0, 1)";
const SIZE: &str = "it must be 0 or more, and finite";

/// A configuration with the common fields, serde and defaults.
macro_rules! config {
    (
        $(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }
        learning_rate = $rate:expr, weight_decay = $decay:expr, name = $text:literal,
        rule = $rule:expr, states = $states:expr, check = [$($check:ident in $range:expr, $remedy:expr;)*]
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Size of a step.
            pub learning_rate: f64,
            $($(#[$field_doc])* pub $field: $type,)*
            /// Pull towards zero.
            pub weight_decay: f64,
            /// Spares vectors, that is biases and the gains of norms, from weight decay. (PyTorch decays all.)
            pub exclude_vectors: bool,
            /// All gradients together are scaled down to at most this Euclidean norm; `None`: never.
            pub clip_norm: Option<f64>,
            /// Each element of a gradient is held within plus and minus this, before the norm is taken; `None`: never.
            pub clip_value: Option<f64>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    learning_rate: $rate,
                    $($field: $default,)*
                    weight_decay: $decay,
                    exclude_vectors: false,
                    clip_norm: None,
                    clip_value: None,
                }
            }
        }

        impl Method for $name {
            const NAME: &'static str = $text;

            fn common(&self) -> Common {
                let Self { learning_rate, weight_decay, exclude_vectors, clip_norm, clip_value, .. } = *self;
                Common { learning_rate, weight_decay, exclude_vectors, clip_norm, clip_value }
            }

            fn set_learning_rate(&mut self, rate: f64) {
                self.learning_rate = rate;
            }

            fn rule(&self, steps: u64) -> Rule {
                let rule: fn(&Self, u64) -> Rule = $rule;
                rule(self, steps)
            }

            fn states(&self) -> Vec<&'static str> {
                let states: fn(&Self) -> Vec<&'static str> = $states;
                states(self)
            }

            fn check(&self) -> Result<(), StepError> {
                check(&[
                    ("learning_rate", self.learning_rate, POSITIVE, SIZE),
                    ("weight_decay", self.weight_decay, POSITIVE, SIZE),
                    ("clip_norm", self.clip_norm.unwrap_or_default(), POSITIVE, SIZE),
                    ("clip_value", self.clip_value.unwrap_or_default(), POSITIVE, SIZE),
                    $((stringify!($check), self.$check, $range, $remedy),)*
                ])
            }
        }
    };
}

config! {
    /// Settings of [`Adam`](super::Adam): m = β₁ m + (1−β₁) g, v = β₂ v + (1−β₂) g², p −= lr m̂ / (√v̂ + ε), where m̂ = m / (1−β₁ᵗ) and
    /// v̂ = v / (1−β₂ᵗ). Weight decay adds `weight_decay` p to g.
    AdamConfig {
        /// Decay of the mean of gradients; GANs use 0.5.
        beta1: f64 = 0.9,
        /// Decay of the mean of squared gradients.
        beta2: f64 = 0.999,
        /// Added to the root of the squares.
        epsilon: f64 = 1e-8,
    }
    learning_rate = 1e-3, weight_decay = 0.0, name = "adam",
    rule = |c, steps| Rule::Adam { beta1: c.beta1, beta2: c.beta2, epsilon: c.epsilon, steps, decoupled: false },
    states = |_| vec!["mean", "square"],
    check = [beta1 in 0.0..1.0, DECAY; beta2 in 0.0..1.0, DECAY; epsilon in POSITIVE, SIZE;]
}

config! {
    /// Settings of [`AdamW`](super::AdamW): Adam, but weight decay shrinks p by lr `weight_decay` p and leaves g alone
    /// (Loshchilov and Hutter 2019).
    AdamWConfig {
        /// Decay of the mean of gradients.
        beta1: f64 = 0.9,
        /// Decay of the mean of squared gradients.
        beta2: f64 = 0.999,
        /// Added to the root of the squares.
        epsilon: f64 = 1e-8,
    }
    learning_rate = 1e-3, weight_decay = 1e-2, name = "adamw",
    rule = |c, steps| Rule::Adam { beta1: c.beta1, beta2: c.beta2, epsilon: c.epsilon, steps, decoupled: true },
    states = |_| vec!["mean", "square"],
    check = [beta1 in 0.0..1.0, DECAY; beta2 in 0.0..1.0, DECAY; epsilon in POSITIVE, SIZE;]
}

config! {
    /// Settings of [`Sgd`](super::Sgd): b = μ b + (1−dampening) g (b = g at first), p −= lr b; with Nesterov p −= lr (g + μ b);
    /// without momentum p −= lr g. Weight decay adds `weight_decay` p to g.
    SgdConfig {
        /// Decay μ of the sum of gradients; 0 keeps none.
        momentum: f64 = 0.0,
        /// A gradient enters the sum with 1 − this.
        dampening: f64 = 0.0,
        /// Nesterov's form, which looks one step ahead. Needs a momentum.
        nesterov: bool = false,
    }
    learning_rate = 1e-3, weight_decay = 0.0, name = "sgd",
    rule = |c, steps| Rule::Sgd {
        momentum: c.momentum,
        dampening: if steps <= 1 { 0.0 } else { c.dampening },
        nesterov: c.nesterov,
    },
    states = |c| if c.momentum == 0.0 { vec![] } else { vec!["momentum"] },
    check = [momentum in 0.0..1.0, DECAY; dampening in 0.0..1.0, DECAY;]
}

config! {
    /// Settings of [`RmsProp`](super::RmsProp): v = α v + (1−α) g², p −= lr g / (√v + ε); centred: √(v − m²) with
    /// m = α m + (1−α) g; with momentum b = μ b + g / (√v + ε), p −= lr b. Weight decay adds `weight_decay` p to g.
    RmsPropConfig {
        /// Decay α of the means.
        alpha: f64 = 0.99,
        /// Added to the root.
        epsilon: f64 = 1e-8,
        /// Decay μ of the sum of steps; 0 keeps none.
        momentum: f64 = 0.0,
        /// Divides by the standard deviation of gradients instead of the root of their mean square.
        centred: bool = false,
    }
    learning_rate = 1e-2, weight_decay = 0.0, name = "rmsprop",
    rule = |c, _| Rule::RmsProp { alpha: c.alpha, epsilon: c.epsilon, momentum: c.momentum, centred: c.centred },
    states = |c| {
        let all = [(true, "square"), (c.centred, "mean"), (c.momentum != 0.0, "momentum")];
        all.into_iter().filter_map(|(used, name)| used.then_some(name)).collect()
    },
    check = [alpha in 0.0..1.0, DECAY; momentum in 0.0..1.0, DECAY; epsilon in POSITIVE, SIZE;]
}
