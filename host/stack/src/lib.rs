//! What surrounds Trimtab on the machine it runs on.

pub mod doctor;
