//! The one integration-test binary: each file is a part of it, since each binary costs a link of everything.

mod host;
mod tidy;
