//! `trimtab pause`, `resume` and `brakes`: what people do to the brakes, and see of them.

pub(crate) mod arguments;
mod show;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use kube::Client;
use trimtab_controller::brakes::store::{self, StoreFailure};
use trimtab_controller::connect;
use trimtab_core::brakes::Pause;
use trimtab_core::brakes::rules::{PAUSES_MAX, Reset, Rules};

use crate::bad_input;
use crate::run::kubeconfig;

use arguments::{BrakesArguments, BrakesCommand, PauseArguments, ResetArguments, ResumeArguments, now};

/// Pauses; one of the same scope is replaced.
pub(crate) async fn pause(arguments: PauseArguments) -> anyhow::Result<()> {
    let client = client(arguments.place.kubeconfig.as_deref()).await?;
    let pause = Pause { reason: arguments.reason, by: arguments.person.by, at: now(), ..arguments.scope.pause() };
    let added = edit(&client, &arguments.place.controller_namespace, |rules| add(rules, &pause)).await?;
    if !added {
        return Err(bad_input(anyhow::anyhow!("there are {PAUSES_MAX} pauses already; resume some first")));
    }
    crate::print(&format!("paused {}: {}\n", pause.flags(), pause.reason))
}

/// Puts a pause into the rules; false where there are too many.
fn add(rules: &mut Rules, pause: &Pause) -> bool {
    rules.pauses.retain(|known| !known.has_scope_of(pause));
    let has_place = rules.pauses.len() < PAUSES_MAX;
    if has_place {
        rules.pauses.push(pause.clone());
    }
    has_place
}

/// Resumes what was paused with the same scope; `--all` resumes everything.
pub(crate) async fn resume(arguments: ResumeArguments) -> anyhow::Result<()> {
    let client = client(arguments.place.kubeconfig.as_deref()).await?;
    let scope = arguments.scope.pause();
    let (resumed, left) =
        edit(&client, &arguments.place.controller_namespace, |rules| lift(rules, &scope, arguments.scope.all)).await?;
    if resumed.is_empty() && !arguments.scope.all {
        let paused = if left.is_empty() { "nothing".to_owned() } else { left.join("; ") };
        return Err(bad_input(anyhow::anyhow!("nothing is paused with {}; paused is: {paused}", scope.flags())));
    }
    let mut text = String::new();
    for (word, scopes) in [("resumed", &resumed), ("still paused", &left)] {
        for flags in scopes {
            // INVARIANT: writing to a String cannot fail.
            let _ = writeln!(text, "{word} {flags}");
        }
    }
    if text.is_empty() {
        text.push_str("nothing is paused\n");
    }
    crate::print(&text)
}

/// Takes pauses out of the rules; the result is the scopes of those that went and of those that stay.
fn lift(rules: &mut Rules, scope: &Pause, is_all: bool) -> (Vec<String>, Vec<String>) {
    let (gone, left): (Vec<_>, Vec<_>) =
        std::mem::take(&mut rules.pauses).into_iter().partition(|pause| is_all || pause.has_scope_of(scope));
    rules.pauses = left;
    let flags = |pauses: &[Pause]| pauses.iter().map(Pause::flags).collect();
    (flags(&gone), flags(&rules.pauses))
}

/// Shows the brakes, or closes the breaker.
pub(crate) async fn main(arguments: BrakesArguments) -> anyhow::Result<()> {
    match arguments.command {
        Some(BrakesCommand::Reset(arguments)) => reset(arguments).await,
        None => {
            let client = client(arguments.place.kubeconfig.as_deref()).await?;
            let namespace = &arguments.place.controller_namespace;
            let text = show::show(&client, namespace, arguments.all_namespaces, arguments.json).await?;
            crate::print(&text)
        }
    }
}

async fn reset(arguments: ResetArguments) -> anyhow::Result<()> {
    let client = client(arguments.place.kubeconfig.as_deref()).await?;
    let reset = Reset { at: now(), by: arguments.person.by };
    let tripped = edit(&client, &arguments.place.controller_namespace, |rules| {
        rules.breaker.reset = Some(reset.clone());
        rules.breaker.tripped.take()
    });
    match tripped.await? {
        Some(trip) => crate::print(&format!("the breaker is closed; it had opened at {}: {}\n", trip.at, trip.text)),
        None => crate::print("the breaker was closed; failures are counted from now\n"),
    }
}

async fn client(file: Option<&Path>) -> anyhow::Result<Client> {
    Ok(connect(kubeconfig(file).await?)?)
}

/// Changes the rules; what cannot be read, or is refused as input, is the caller's to mend.
async fn edit<T>(client: &Client, namespace: &str, mut change: impl FnMut(&mut Rules) -> T) -> anyhow::Result<T> {
    let mut last = None;
    match store::edit(client, namespace, |rules| last = Some(change(rules))).await {
        Ok(_) => last.context("the brakes were not changed"),
        Err(error @ StoreFailure::Document(_)) => Err(bad_input(error)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(namespace: &str, reason: &str) -> Pause {
        Pause { namespace: namespace.into(), reason: reason.into(), ..Pause::default() }
    }

    #[test]
    fn a_pause_of_the_same_scope_is_replaced_and_resume_lifts_just_that() {
        let mut rules = Rules::default();
        assert!(add(&mut rules, &of("shop", "one")) && add(&mut rules, &of("shop", "two")));
        assert!(add(&mut rules, &of("", "all")));
        assert_eq!(rules.pauses, [of("shop", "two"), of("", "all")]);
        let (gone, left) = lift(&mut rules, &of("bank", ""), false);
        assert!(gone.is_empty());
        assert_eq!(left, ["--namespace shop", "--all"]);
        let (gone, left) = lift(&mut rules, &of("shop", ""), false);
        assert_eq!((gone, left), (vec!["--namespace shop".to_owned()], vec!["--all".to_owned()]));
        assert!(add(&mut rules, &of("bank", "x")));
        let (gone, left) = lift(&mut rules, &Pause::default(), true);
        assert_eq!((gone.len(), left.len()), (2, 0));
    }

    #[test]
    fn the_number_of_pauses_is_bounded() {
        let mut rules = Rules::default();
        for nth in 0..PAUSES_MAX {
            assert!(add(&mut rules, &of(&format!("n{nth}"), "x")));
        }
        assert!(!add(&mut rules, &of("one-more", "x")));
        assert!(add(&mut rules, &of("n0", "again")), "one of the same scope needs no place");
    }
}
