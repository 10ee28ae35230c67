//! Every hostile guest: what it is made of, what it may use, and how it must end.
//!
//! A guest is a variant of one enum, made together with its test by one macro; what it is and how it ends are matches
//! without a wildcard, so that a guest without a test, or without an expected end, does not compile.

use trimtab_core::ports::FaultReason;
use trimtab_policy_engine::Limits;

/// How a guest ends, every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Not activated, with the reason of the refusal.
    Refused(&'static str),
    /// Every evaluation ends with this fault.
    Faults(FaultReason),
    /// It answers, and always the same for the same fuel.
    Answers,
}

/// Lists the guests; makes the enum and one test for each.
macro_rules! hostile_guests {
    ($($(#[doc = $doc:literal])+ $variant:ident: $test:ident,)+) => {
        /// A hostile guest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Hostile {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Hostile {
            /// Every guest.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }

        $(
            #[test]
            fn $test() {
                crate::attack(Hostile::$variant);
            }
        )+
    };
}

hostile_guests! {
    /// Calls itself without an end.
    DeepRecursion: deep_recursion_ends_in_a_trap,
    /// Calls the host for ever.
    EndlessHostCalls: endless_host_calls_end_by_transfer,
    /// Calls the host for ever, with a wide transfer limit.
    PaidHostCalls: endless_host_calls_end_by_fuel_where_transfer_is_wide,
    /// Loops for ever.
    EndlessLoop: an_endless_loop_ends_by_fuel,
    /// Loops for ever with more fuel than time.
    ClockEater: a_loop_that_fuel_does_not_end_ends_by_the_clock,
    /// Lies about its deadlines.
    FalseDeadlines: false_deadlines_are_only_answers,
    /// Tries to answer otherwise each time.
    Fickle: whatever_may_differ_does_not,
    /// Imports what no policy gets.
    ForeignImport: a_foreign_import_is_refused,
    /// Answers with far too much.
    HugeAnswer: an_oversized_answer_is_refused,
    /// Logs for ever.
    LogFlood: a_flood_of_logs_ends_by_fuel,
    /// Takes memory until it is refused.
    MemoryHog: a_hog_of_memory_is_stopped,
    /// Asks to be asked again at once.
    RecheckStorm: a_recheck_storm_is_only_an_answer,
    /// Breaks the rule that its config names.
    RuleBreaker: a_breaker_of_rules_is_only_an_answer,
    /// Behaves; it is here because it lies beside the others.
    ThreeFacts: a_guest_that_behaves_answers,
    /// Panics.
    Panics: a_panic_is_a_trap,
    /// No bytes at all.
    Nothing: an_empty_file_is_refused,
    /// Bytes without a meaning.
    Garbage: garbage_is_refused,
    /// The first bytes of a component, then garbage.
    Mangled: a_component_with_a_mangled_middle_is_refused,
    /// A component cut off.
    Truncated: a_truncated_component_is_refused,
    /// Has types within types within types.
    DeepTypes: types_without_a_bottom_are_refused,
    /// Has components within components within components.
    DeepNesting: components_without_a_bottom_are_refused,
    /// Instantiates a component that instantiates a component, ten times each, nine levels deep.
    Multiplied: instances_that_multiply_are_refused_before_they_are_compiled,
    /// A core module.
    CoreModule: a_core_module_is_refused,
    /// Exports another world's interface.
    WrongWorld: a_component_of_another_world_is_refused,
    /// Built for another minor version.
    WrongVersion: a_component_of_another_version_is_refused,
    /// Larger than any component may be.
    Gigantic: a_component_of_200_mb_is_refused_by_its_size,
    /// Has a start function that loops.
    StartLoop: a_start_that_loops_ends_by_fuel_at_load,
    /// Has a start function that traps.
    StartTrap: a_start_that_traps_is_refused_at_load,
    /// Loops while it says who it is.
    DescribeLoop: a_description_without_an_end_is_refused,
    /// Starts with more memory than it may have.
    HugeMemory: a_huge_memory_at_the_start_is_refused,
    /// Has many memories.
    ManyMemories: many_memories_are_refused,
    /// Has many tables.
    ManyTables: many_tables_are_refused,
    /// Has a huge table.
    HugeTable: a_huge_table_at_the_start_is_refused,
    /// Grows a table for ever.
    TableGrowth: growing_a_table_for_ever_is_stopped,
    /// Grows its memory for ever and does not mind a refusal.
    MemoryGrowth: growing_a_memory_for_ever_is_stopped,
    /// Reads what lies in its memory at the start, then writes all over it.
    Graffiti: nothing_is_left_for_the_next_instance,
    /// Refuses to answer, with a code of its own.
    Sulks: a_refusal_to_answer_is_a_fault_of_its_own,
    /// Gives room outside of its memory.
    FalseRoom: room_outside_of_memory_is_a_trap,
    /// Answers with a text that is no UTF-8.
    BrokenText: a_text_that_is_none_is_a_trap,
    /// Answers from outside of its memory.
    FarAnswer: an_answer_outside_of_memory_is_a_trap,
    /// Says that its list is longer than the host would hold.
    GiantList: a_giant_list_is_refused_before_it_is_read,
    /// Fills memory with single instructions that do much work.
    BulkWork: bulk_work_is_paid_for,
    /// Has a config schema that would take the host's time for ever.
    SchemaBomb: a_schema_that_doubles_at_every_step_is_refused,
    /// Has a config schema that leads back to itself.
    SchemaLoop: a_schema_without_an_end_is_refused,
}

impl Hostile {
    /// Name of the file under `tests/guests`, where there is one.
    pub(crate) const fn file(self) -> Option<&'static str> {
        match self {
            Self::DeepRecursion => Some("deep-recursion"),
            Self::EndlessHostCalls | Self::PaidHostCalls => Some("endless-host-calls"),
            Self::EndlessLoop | Self::ClockEater => Some("endless-loop"),
            Self::FalseDeadlines => Some("false-deadlines"),
            Self::Fickle => Some("fickle"),
            Self::ForeignImport => Some("foreign-import"),
            Self::HugeAnswer => Some("huge-answer"),
            Self::LogFlood => Some("log-flood"),
            Self::MemoryHog => Some("memory-hog"),
            Self::RecheckStorm => Some("recheck-storm"),
            Self::RuleBreaker => Some("rule-breaker"),
            Self::ThreeFacts => Some("three-facts"),
            Self::Panics => Some("trap"),
            Self::Nothing
            | Self::Garbage
            | Self::Mangled
            | Self::Truncated
            | Self::DeepTypes
            | Self::DeepNesting
            | Self::Multiplied
            | Self::CoreModule
            | Self::WrongWorld
            | Self::WrongVersion
            | Self::Gigantic
            | Self::StartLoop
            | Self::StartTrap
            | Self::DescribeLoop
            | Self::HugeMemory
            | Self::ManyMemories
            | Self::ManyTables
            | Self::HugeTable
            | Self::TableGrowth
            | Self::MemoryGrowth
            | Self::Graffiti
            | Self::Sulks
            | Self::FalseRoom
            | Self::BrokenText
            | Self::FarAnswer
            | Self::GiantList
            | Self::BulkWork
            | Self::SchemaBomb
            | Self::SchemaLoop => None,
        }
    }

    /// How it must end.
    pub(crate) const fn end(self) -> End {
        use FaultReason as Reason;
        match self {
            Self::DeepRecursion | Self::Panics | Self::FalseRoom | Self::BrokenText | Self::FarAnswer => {
                End::Faults(Reason::Trap)
            }
            Self::EndlessHostCalls => End::Faults(Reason::TransferLimit),
            Self::PaidHostCalls | Self::EndlessLoop | Self::LogFlood | Self::BulkWork => {
                End::Faults(Reason::FuelExhausted)
            }
            Self::Sulks => End::Faults(Reason::PolicyFailure),
            Self::ClockEater => End::Faults(Reason::DeadlineExceeded),
            Self::HugeAnswer | Self::GiantList => End::Faults(Reason::AnswerTooLarge),
            Self::MemoryHog | Self::TableGrowth | Self::MemoryGrowth => End::Faults(Reason::MemoryLimit),
            Self::FalseDeadlines
            | Self::Fickle
            | Self::RecheckStorm
            | Self::RuleBreaker
            | Self::ThreeFacts
            | Self::Graffiti => End::Answers,
            Self::ForeignImport => End::Refused("ForeignImport"),
            Self::Nothing | Self::Garbage | Self::CoreModule => End::Refused("NotAComponent"),
            Self::Mangled | Self::Truncated | Self::DeepTypes | Self::DeepNesting => End::Refused("ComponentMalformed"),
            Self::WrongWorld => End::Refused("MetaMissing"),
            Self::WrongVersion => End::Refused("InterfaceVersion"),
            Self::Gigantic => End::Refused("ComponentTooLarge"),
            Self::StartLoop | Self::StartTrap | Self::DescribeLoop => End::Refused("MetaFaulted"),
            Self::Multiplied | Self::HugeMemory | Self::ManyMemories | Self::ManyTables | Self::HugeTable => {
                End::Refused("ComponentTooComplex")
            }
            Self::SchemaBomb | Self::SchemaLoop => End::Refused("SchemaInvalid"),
        }
    }

    /// What it may use. The clock is far away, so that a busy machine does not end what something else has to end; for
    /// the one that the clock has to end it is near, but not so near that it could not be loaded.
    pub(crate) fn limits(self) -> Limits {
        let patient = Limits { wall_clock_millis: Limits::CEILING.wall_clock_millis, ..Limits::DEFAULT };
        match self {
            Self::PaidHostCalls => Limits { transfer_bytes: Limits::CEILING.transfer_bytes, ..patient },
            Self::ClockEater => Limits { fuel: Limits::CEILING.fuel, wall_clock_millis: 500, ..patient },
            _ => patient,
        }
    }
}
