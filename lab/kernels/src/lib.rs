//! lab/kernels
