//! How Jupyter knows this kernel: kernelspecs written, listed, removed, and examined when something does not work.

pub mod doctor;
mod install;
mod list;
mod places;
mod remove;
mod spec;
mod status;

pub use install::{InstallError, InstallRequest, Installed, install};
pub use list::{Entry, list};
pub use places::{data_folders, sys_prefix, user_data};
pub use remove::{RemoveError, removable, remove};
pub use spec::Spec;
pub use status::{Status, status};
