//! The command as people use it: what it says about mistakes, what goes where, and that its words agree with
//! each other.

mod cli {
    mod archives;
    mod base;
    mod derive;
    mod files;
    mod fmt;
    mod forecasts;
    mod heads;
    mod hub;
    mod mistakes;
    mod most_unstable;
    mod pictures;
    mod roads;
    mod soundings;
    mod state;
    mod stores;
    mod tensors;
    mod words;
}
