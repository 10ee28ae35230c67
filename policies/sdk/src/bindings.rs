//! What `wit-bindgen` makes of `wit/`: one world for each slot, so that a component exports only what it fills.
//!
//! The types, the facts and the log are generated once and shared. The slots are separate worlds because the generated
//! export of a world is all or nothing; the encoder joins the worlds of a component.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    reason = "generated from wit/, where everything is documented"
)]

pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world imports {
                import trimtab:policy/types@0.1.1;
                import trimtab:policy/facts@0.1.1;
            }
        ",
        world: "trimtab:sdk/imports",
        additional_derives: [PartialEq, Clone, Default],
        generate_unused_types: true,
        generate_all,
    });
    pub use trimtab::policy::{facts, types};
}

pub mod log {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world log {
                import trimtab:policy/log@0.1.1;
            }
        ",
        world: "trimtab:sdk/log",
        additional_derives: [],
        generate_all,
    });
    pub use trimtab::policy::log::{Level, log};
}

pub mod meta {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world meta {
                export trimtab:policy/meta@0.1.1;
            }
        ",
        world: "trimtab:sdk/meta",
        additional_derives: [PartialEq, Clone],
        with: { "trimtab:policy/types@0.1.1": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_meta",
        default_bindings_module: "trimtab_policy_sdk::glue::meta",
    });
}

pub mod timeouts {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world timeouts {
                export trimtab:policy/timeouts@0.1.1;
            }
        ",
        world: "trimtab:sdk/timeouts",
        additional_derives: [PartialEq, Clone],
        with: { "trimtab:policy/types@0.1.1": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_timeouts",
        default_bindings_module: "trimtab_policy_sdk::glue::timeouts",
    });
}

pub mod transitions {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world transitions {
                export trimtab:policy/transitions@0.1.1;
            }
        ",
        world: "trimtab:sdk/transitions",
        additional_derives: [PartialEq, Clone],
        with: { "trimtab:policy/types@0.1.1": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_transitions",
        default_bindings_module: "trimtab_policy_sdk::glue::transitions",
    });
}

pub mod children {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk;
            world children {
                export trimtab:policy/children@0.1.1;
            }
        ",
        world: "trimtab:sdk/children",
        additional_derives: [PartialEq, Clone],
        with: { "trimtab:policy/types@0.1.1": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_children",
        default_bindings_module: "trimtab_policy_sdk::glue::children",
    });
}

/// The records that the exported interfaces own.
pub mod exports {
    pub use super::children::exports::trimtab::policy::children::{Creation, Creations};
    pub use super::meta::exports::trimtab::policy::meta;
    pub use super::timeouts::exports::trimtab::policy::timeouts::{Deadline, Schedule};
}
