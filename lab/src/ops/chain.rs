use std::rc::Rc;

use dfdx::tensor::{Gradients, HasErr};

use super::{Activation, Buf, LabDevice, Want, context::Context};
use crate::nn::Real;

/// How the values of a chain lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Row-major in the order of the shape.
    Rows,
    /// `[pixel][image][channel]` of a shape `(image, channel, pixel...)`: what convolutions read and write.
    Pixels {
        /// Height times width.
        pixels: usize,
        /// Images of the batch.
        images: usize,
        /// Channels of an image.
        channels: usize,
    },
}

/// The way back through a layer: adds the gradients of its weights, turns the gradient of its output into that of its input.
pub type Back<E, D> = Box<dyn FnOnce(&mut Gradients<E, D>, Buf<E>) -> Result<Buf<E>, <D as HasErr>::Err>>;

/// What a layer with an activation behind it computes as soon as it is known which: the output and the way back.
type Deferred<E, D> = Box<dyn FnOnce(Activation) -> (Rc<Buf<E>>, Option<Back<E, D>>)>;

/// The values on their way through a network's layers, and the way back.
///
/// A layer calls [`Chain::begin`], computes, and gives its result to [`Chain::end`]; or to [`Chain::defer`], if an
/// activation that follows can be part of its own pass over the values.
pub struct Chain<E: Real, D: LabDevice<E>> {
    values: Rc<Buf<E>>,
    layout: Layout,
    taped: bool,
    want: Want,
    /// Whether the gradient of `values` is of use: for the input of the chain or for weights before.
    useful: bool,
    back: Vec<Back<E, D>>,
    pending: Option<Deferred<E, D>>,
    pub(crate) context: Context,
}

/// What a layer works on.
#[derive(Debug, Clone)]
pub struct Step<E: Real> {
    /// The input.
    pub x: Rc<Buf<E>>,
    /// How it lies.
    pub layout: Layout,
    /// Whether the input's gradient is wanted: else the way back may return an empty buffer.
    pub input: bool,
    /// Whether the weights' gradients are wanted.
    pub weights: bool,
}

impl<E: Real> Step<E> {
    /// Whether there has to be a way back through a layer with weights.
    pub fn any(&self) -> bool {
        self.input || self.weights
    }
}

impl<E: Real, D: LabDevice<E>> Chain<E, D> {
    /// A chain over row-major values.
    pub fn new(values: Buf<E>, taped: bool, want: Want) -> Self {
        Self {
            values: Rc::new(values),
            layout: Layout::Rows,
            taped,
            want,
            useful: taped && want != Want::Weights,
            back: Vec::new(),
            pending: None,
            context: Context::default(),
        }
    }

    /// A second way from here: layers that run on it read the same values, and [`Chain::join`] adds what they computed.
    pub fn branch(&mut self) -> Self {
        let values = self.begin().x;
        Self {
            values,
            layout: self.layout,
            taped: self.taped,
            want: self.want,
            useful: self.useful,
            back: Vec::new(),
            pending: None,
            context: self.context.clone(),
        }
    }

    /// Adds the values at the end of a branch that began here: they are as many.
    pub fn join(&mut self, mut branch: Self) {
        branch.activate_pending(Activation::Identity);
        if branch.layout != self.layout {
            drop((self.begin_rows(), branch.begin_rows()));
        }
        let (input, inside) = (self.useful, branch.useful);
        let mut y = match Rc::try_unwrap(branch.values) {
            Ok(own) => own,
            Err(shared) => Buf::copy(&shared),
        };
        E::add_all(&mut y, &self.values);
        let layers = branch.back;
        let back = move |grads: &mut Gradients<E, D>, dy: Buf<E>| {
            if !inside {
                return Ok(dy);
            }
            let around = input.then(|| dy.clone());
            let mut dx = layers.into_iter().rev().try_fold(dy, |gradient, layer| layer(grads, gradient))?;
            if let Some(around) = around {
                E::add_all(&mut dx, &around);
            }
            Ok(dx)
        };
        self.end(Rc::new(y), self.layout, (input || inside).then(|| Box::new(back) as Back<E, D>));
    }

    /// Leaves a note for the way back: `then` runs after the layers behind this point have added their weights' gradients.
    pub fn afterwards(&mut self, then: impl FnOnce(&mut Gradients<E, D>) -> Result<(), D::Err> + 'static) {
        self.activate_pending(Activation::Identity);
        self.back.push(Box::new(move |grads, gradient| {
            then(grads)?;
            Ok(gradient)
        }));
    }

    /// Whether gradients are recorded.
    pub fn is_taped(&self) -> bool {
        self.taped
    }

    /// The values that the next layer reads, in whatever layout they lie.
    pub fn begin(&mut self) -> Step<E> {
        self.activate_pending(Activation::Identity);
        let weights = self.taped && self.want != Want::Input;
        Step { x: Rc::clone(&self.values), layout: self.layout, input: self.useful, weights }
    }

    /// The same, row-major.
    pub fn begin_rows(&mut self) -> Step<E> {
        self.activate_pending(Activation::Identity);
        if let Layout::Pixels { pixels, images, channels } = self.layout {
            let sizes = (images, channels, pixels);
            if images * channels == 1 || pixels == 1 {
                self.layout = Layout::Rows;
                return self.begin();
            }
            let mut rows = Buf::any(self.values.len());
            E::from_pixels(sizes, &self.values, &mut rows);
            let turn = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
                let mut dx = Buf::any(dy.len());
                E::to_pixels(sizes, &dy, &mut dx);
                Ok(dx)
            };
            self.end(Rc::new(rows), Layout::Rows, self.useful.then(|| Box::new(turn) as _));
        }
        self.begin()
    }

    /// The same as `[pixel][image][channel]`, for a shape of `images`, `channels` and `pixels`.
    pub fn begin_pixels(&mut self, (images, channels, pixels): (usize, usize, usize)) -> Step<E> {
        self.activate_pending(Activation::Identity);
        let layout = Layout::Pixels { pixels, images, channels };
        if self.layout != Layout::Rows && self.layout != layout {
            // Images of another shape, flattened and cut anew.
            drop(self.begin_rows());
        }
        if self.layout == Layout::Rows {
            let sizes = (images, channels, pixels);
            if images * channels == 1 || pixels == 1 {
                self.layout = layout;
                return self.begin();
            }
            let mut turned = Buf::any(self.values.len());
            E::to_pixels(sizes, &self.values, &mut turned);
            let turn = move |_: &mut Gradients<E, D>, dy: Buf<E>| {
                let mut dx = Buf::any(dy.len());
                E::from_pixels(sizes, &dy, &mut dx);
                Ok(dx)
            };
            self.end(Rc::new(turned), layout, self.useful.then(|| Box::new(turn) as _));
        }
        self.begin()
    }

    /// What a layer computed. Without a way back the gradient stops here: nothing before receives one.
    pub fn end(&mut self, values: Rc<Buf<E>>, layout: Layout, back: Option<Back<E, D>>) {
        self.values = values;
        self.layout = layout;
        self.keep(back);
    }

    /// The values lie differently from now on, but are the same: for layers that only reshape.
    pub fn relabel(&mut self, layout: Layout) {
        self.layout = layout;
    }

    /// Leaves the computation to the moment when it is known which activation follows. The closure returns no way back exactly
    /// when `useful` is false.
    pub fn defer(
        &mut self,
        layout: Layout,
        useful: bool,
        compute: impl FnOnce(Activation) -> (Rc<Buf<E>>, Option<Back<E, D>>) + 'static,
    ) {
        self.layout = layout;
        self.useful = useful;
        // The values before are the closure's now.
        self.values = Rc::default();
        self.pending = Some(Box::new(compute));
    }

    /// Applies the function of a neuron: as part of the layer before where there is one that waits for it.
    pub fn activate(&mut self, activation: Activation) {
        if self.pending.is_some() {
            return self.activate_pending(activation);
        }
        let mut y = match Rc::try_unwrap(std::mem::take(&mut self.values)) {
            Ok(own) => own,
            Err(shared) => Buf::copy(&shared),
        };
        E::dense_forward(&mut y, &[], activation);
        let y = Rc::new(y);
        let back = self.useful.then(|| {
            let y = Rc::clone(&y);
            let back = move |_: &mut Gradients<E, D>, mut dy: Buf<E>| {
                E::dense_backward(&mut dy, &y, &mut [], activation);
                Ok(dy)
            };
            Box::new(back) as Back<E, D>
        });
        self.end(y, self.layout, back);
    }

    fn activate_pending(&mut self, activation: Activation) {
        if let Some(compute) = self.pending.take() {
            let (values, back) = compute(activation);
            self.values = values;
            self.keep(back);
        }
    }

    fn keep(&mut self, back: Option<Back<E, D>>) {
        self.useful = back.is_some();
        match back {
            Some(back) => self.back.push(back),
            None => self.back.clear(),
        }
    }

    /// The result, row-major, and the way back through all layers, which returns the input's gradient if it was wanted.
    ///
    /// # Errors
    /// The device's error.
    #[allow(clippy::type_complexity)]
    pub fn finish(
        mut self,
    ) -> Result<(Vec<E>, impl FnOnce(&mut Gradients<E, D>, Buf<E>) -> Result<Option<Buf<E>>, D::Err> + 'static), D::Err>
    {
        drop(self.begin_rows());
        let values = match Rc::try_unwrap(self.values) {
            Ok(own) => own.into_vec(),
            Err(shared) => shared.to_vec(),
        };
        let (layers, useful, input) = (self.back, self.useful, self.want != Want::Weights);
        let back = move |grads: &mut Gradients<E, D>, mut gradient: Buf<E>| {
            for layer in layers.into_iter().rev() {
                gradient = layer(grads, gradient)?;
            }
            Ok((useful && input).then_some(gradient))
        };
        Ok((values, back))
    }
}
