//! The language server as an editor meets it: the real process, spoken to over its pipes.

mod lsp {
    mod changes;
    mod client;
    mod manners;
    mod questions;
}
