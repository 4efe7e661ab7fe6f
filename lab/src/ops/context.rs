use std::rc::Rc;

use crate::nn::AttentionMask;

/// What the layers of a chain look at beside its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    /// For self-attention.
    pub mask: Option<Rc<AttentionMask>>,
}
