//! The one integration-test binary: each file is a part of it, since each binary costs a link of everything.

<<<<<<< HEAD
mod host;
=======
#[cfg(feature = "github")]
mod github;
>>>>>>> h-forge
mod tidy;
