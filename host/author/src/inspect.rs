//! `trimtab policy inspect`: what a component is, what it needs, and who made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::Limits;
use trimtab_policy_engine::source::ComponentNote;
use wasmparser::{KnownCustom, Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId, WorldItem};

use crate::Surroundings;
use crate::cli::InspectArguments;
use crate::error::AuthorError;
use crate::explore::{self, Headroom};
use crate::output::{Outcome, columns, grouped, render, sized};
use crate::workbench::{ConfigSource, Question, Workbench, ask, limits_of};

/// What is known of a component.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Name that it gives itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// Its digest.
    pub digest: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The interface's package and version.
    pub interface: String,
    /// The world that it fits.
    pub world: String,
    /// The slots that it fills.
    pub slots: BTreeSet<Slot>,
    /// Functions that it imports.
    pub imports: Vec<String>,
    /// Members of its config at the top, each with its type.
    pub config: BTreeMap<String, String>,
    /// What made it: languages, tools, SDK, each with its version.
    pub producers: BTreeMap<String, Vec<String>>,
    /// What it needed on generated observations.
    pub needs: Option<Needs>,
    /// Why that is not known.
    pub needs_unknown: Option<String>,
}

/// The most that was used.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Needs {
    /// Observations that were tried.
    pub observations: u64,
    /// Fuel, answer and log, each of its limit.
    #[serde(flatten)]
    pub headroom: Headroom,
    /// Bytes of memory of the largest instance.
    pub memory_bytes: u64,
    /// What is allowed by default.
    pub memory_limit: u64,
}

/// Runs the command.
pub(crate) fn run(
    arguments: &InspectArguments,
    bench: &Workbench,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    let limits = limits_of(arguments.limits.as_deref())?;
    let (component, bytes) = bench.load(&arguments.component, limits)?;
    if arguments.schema {
        let text = component.config_schema_text();
        let schema: Value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        return Ok(Outcome::fine(format!("{schema:#}\n")));
    }
    let (interface, imports) = interface(&bytes)?;
    let (needs, needs_unknown) = match bench.configure(&component, ConfigSource::Default) {
        Ok(policy) => match needs(bench, &policy, surroundings) {
            Ok(needs) => (Some(needs), None),
            Err(error) => (None, Some(error.to_string())),
        },
        Err(error) => (None, Some(error.to_string())),
    };
    let description = component.description();
    let inspection = Inspection {
        name: description.name.clone(),
        version: description.version.clone(),
        summary: description.summary.clone(),
        digest: component.digest().to_string(),
        bytes: bytes.len() as u64,
        interface,
        world: world(component.slots()),
        slots: component.slots().clone(),
        imports,
        config: members(component.config_schema_text()),
        producers: producers(&bytes),
        needs,
        needs_unknown,
    };
    Ok(Outcome::fine(render(&inspection, arguments.output, table)?))
}

/// The world of the interface that has these slots.
fn world(slots: &BTreeSet<Slot>) -> String {
    let names: Vec<_> = slots.iter().map(|slot| slot.name()).collect();
    match names.as_slice() {
        [one] => format!("{one}-policy"),
        all if all.len() == Slot::ALL.len() => "policy".to_owned(),
        some => {
            format!("{} together", some.iter().map(|name| format!("{name}-policy")).collect::<Vec<_>>().join(" and "))
        }
    }
}

fn needs(
    bench: &Workbench,
    policy: &std::sync::Arc<trimtab_policy_engine::ConfiguredPolicy>,
    surroundings: &mut Surroundings<'_>,
) -> Result<Needs, AuthorError> {
    let mut progress = |done, planned| (surroundings.progress)(&format!("measuring {done} of {planned}"));
    let report =
        explore::conformance(policy, &mut progress).map_err(|error| AuthorError::Host(crate::test::told(&error)))?;
    let set = bench.set_of(policy)?;
    let question = Question { slots: policy.component().slots().clone(), ..Question::default() };
    let mut memory_bytes = 0;
    for observation in explore::observations(&question.slots) {
        let answers = ask(&set, &observation, &question);
        let used = [
            answers.schedule.as_ref().and_then(|told| told.memory_bytes),
            answers.intent.as_ref().and_then(|told| told.memory_bytes),
            answers.creations.as_ref().and_then(|told| told.memory_bytes),
        ];
        memory_bytes = used.into_iter().flatten().fold(memory_bytes, u64::max);
    }
    let memory_limit = Limits::DEFAULT.memory_bytes;
    Ok(Needs { observations: report.observations, headroom: report.headroom, memory_bytes, memory_limit })
}

/// The interface's version, and the functions that are imported.
fn interface(bytes: &[u8]) -> Result<(String, Vec<String>), AuthorError> {
    let (resolve, world) = match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(AuthorError::Host("it is a WIT package without code".to_owned()));
        }
        Err(error) => return Err(AuthorError::Host(format!("its interface cannot be read: {error:#}"))),
    };
    let version = version(&resolve, world).unwrap_or_else(|| "trimtab:policy".to_owned());
    let mut imports = Vec::new();
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        let name = resolve.interfaces[*id].name.clone().unwrap_or_default();
        imports.extend(resolve.interfaces[*id].functions.keys().map(|function| format!("{name}.{function}")));
    }
    Ok((version, imports))
}

/// The functions that a component imports, as `interface.function`.
pub fn imports(bytes: &[u8]) -> Result<Vec<String>, AuthorError> {
    interface(bytes).map(|(_, imports)| imports)
}

/// What the config of an artifact tells of its component.
pub(crate) fn note(bytes: &[u8], slots: &BTreeSet<Slot>) -> Result<ComponentNote, AuthorError> {
    let Ok(DecodedWasm::Component(resolve, id)) = wit_component::decode(bytes) else {
        return Err(AuthorError::Host("its interface cannot be read".to_owned()));
    };
    let name = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    };
    let target = version(&resolve, id).and_then(|version| {
        let (package, version) = version.split_once('@')?;
        // Of two slots there is no world.
        let world = Some(world(slots)).filter(|world| !world.contains(' '))?;
        Some(format!("{package}/{world}@{version}"))
    });
    let world = &resolve.worlds[id];
    let exports = world.exports.values().filter_map(name).collect();
    let imports = world.imports.values().filter_map(name).collect();
    Ok(ComponentNote { exports, imports, target })
}

fn version(resolve: &Resolve, world: WorldId) -> Option<String> {
    let mut names = resolve.worlds[world].exports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    });
    names.find_map(|name| {
        let (package, rest) = name.split_once('/')?;
        let (_, version) = rest.split_once('@')?;
        Some(format!("{package}@{version}"))
    })
}

/// The members of a config at the top: type and description.
fn members(schema: &str) -> BTreeMap<String, String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let described = |member: &Value| {
        let kind = match &member["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or ")
            }
            // A definition of the schema's own: most are objects, but not a length of time.
            _ if member["$ref"].is_string() => {
                let name = member["$ref"].as_str().unwrap_or_default().trim_start_matches("#/$defs/");
                schema["$defs"][name]["type"].as_str().unwrap_or("object").to_owned()
            }
            _ => "any".to_owned(),
        };
        match member["description"].as_str() {
            Some(text) => format!("{kind}: {text}"),
            None => kind,
        }
    };
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, member)| (name.clone(), described(member)))
        .collect()
}

/// Producers of the component and of every module in it.
fn producers(bytes: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(Payload::CustomSection(section)) = payload else { continue };
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        for field in fields.into_iter().filter_map(Result::ok) {
            let values = field.values.into_iter().filter_map(Result::ok);
            found
                .entry(field.name.to_owned())
                .or_default()
                .extend(values.map(|value| format!("{} {}", value.name, value.version).trim().to_owned()));
        }
    }
    found.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect()
}

fn table(told: &Inspection) -> String {
    let slots = told.slots.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
    let mut rows = [
        ["policy", &format!("{} {}", told.name, told.version)],
        ["summary", &told.summary],
        ["digest", &told.digest],
        ["size", &format!("{} ({} bytes)", sized(told.bytes), grouped(told.bytes))],
        ["interface", &told.interface],
        ["world", &told.world],
        ["slots", &slots],
        ["imports", &if told.imports.is_empty() { "nothing".to_owned() } else { told.imports.join(", ") }],
    ]
    .map(|row| row.map(str::to_owned).to_vec())
    .to_vec();
    for (what, who) in &told.producers {
        rows.push(vec![what.clone(), who.join(", ")]);
    }
    let mut text = columns(&rows, 0);
    text.push_str("config (the whole schema: --schema)\n");
    let members: Vec<_> = told.config.iter().map(|(name, kind)| vec![name.clone(), kind.clone()]).collect();
    text.push_str(if members.is_empty() { "  takes none\n" } else { "" });
    text.push_str(&columns(&members, 2));
    if let Some(needs) = &told.needs {
        let _ = writeln!(text, "needs, at most, on {} generated observations", grouped(needs.observations));
        let share = |what: &str, used: String, limit: String| vec![what.to_owned(), used, format!("of {limit}")];
        let room = needs.headroom;
        let rows = [
            share("fuel", grouped(room.fuel.used), grouped(room.fuel.limit)),
            share("memory", sized(needs.memory_bytes), sized(needs.memory_limit)),
            share("answer", sized(room.answer_bytes.used), sized(room.answer_bytes.limit)),
            share("log", sized(room.log_bytes.used), sized(room.log_bytes.limit)),
        ];
        text.push_str(&columns(&rows, 2));
    }
    if let Some(why) = &told.needs_unknown {
        let _ = writeln!(text, "needs unknown: {why}");
    }
    text
}
