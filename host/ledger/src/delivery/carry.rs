//! Carries one batch to its end: ask, send, settle; cut it where the receiver refuses it as a whole, or fails at it again
//! and again.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use super::answer::{Answer, Arrival};
use super::inquiry::{Question, matched, questions};
use super::parcel::{Parcel, around, body_length, fitting, halves, request_body};
use super::receiver::Unanswered;
use super::report::AttemptResult;
use super::settings::Ids;
use super::{Delivery, Trouble, local};

/// Times that a receiver fails at several events before they are cut in two: it may be one of them that it stumbles over.
const TOGETHER_MAX: u32 = 8;

/// The same for a part of such a cut.
const CUT_MAX: u32 = 2;

/// Times that it fails at one event alone before others are tried in its place.
const ALONE_MAX: u32 = 4;

/// Events that go together.
struct Part {
    parcels: Vec<Parcel>,
    /// Times that the receiver may still fail at them before something else is tried.
    patience: u32,
    /// How many parts it had taken when these were cut, or had their last turn.
    taken: u64,
}

/// What is left to do for parcels that were sent.
enum Outcome {
    /// Nothing.
    Settled,
    /// These parts, one after the other.
    Left(Vec<Vec<Parcel>>),
    /// These again. The receiver was reached and failed, for this reason; or it was not.
    Failed(Vec<Parcel>, Option<String>),
}

impl Delivery {
    /// Delivers the batch or sets its events aside: in order, but for events that the receiver fails at for long, which
    /// others overtake. Only the end of the program makes it leave any, and a receiver that fails at each that is left.
    pub(super) async fn carry(&mut self, batch: Vec<Parcel>) {
        let (mut taken, mut turns) = (0, 0);
        let mut open = VecDeque::from([Part { parcels: batch, patience: TOGETHER_MAX, taken }]);
        while let Some(Part { parcels, patience, taken: before }) = open.pop_front() {
            // A limit that was learned meanwhile holds for what is already cut, too.
            let (parcels, rest) = fitting(parcels, self.limits.events, self.limits.bytes);
            let again = |parcels| Part { parcels, patience, taken: before };
            if !rest.is_empty() {
                open.push_front(again(rest));
            }
            let parcels = self.resolve(parcels).await;
            let outcome = if parcels.is_empty() { Outcome::Settled } else { self.send(parcels).await };
            match outcome {
                Outcome::Settled => {
                    (taken, turns) = (taken + 1, 0);
                    self.settled();
                }
                Outcome::Left(parts) => parts.into_iter().rev().for_each(|part| open.push_front(again(part))),
                Outcome::Failed(parcels, None) => open.push_front(again(parcels)),
                Outcome::Failed(parcels, Some(_)) if patience > 1 => {
                    open.push_front(Part { parcels, patience: patience - 1, taken: before });
                }
                Outcome::Failed(parcels, Some(_)) if parcels.len() > 1 => {
                    for half in halves(parcels).into_iter().rev() {
                        let patience = if half.len() > 1 { CUT_MAX } else { ALONE_MAX };
                        open.push_front(Part { parcels: half, patience, taken });
                    }
                }
                // It takes others and not this one.
                Outcome::Failed(parcels, Some(reason)) if before < taken => self.set_aside(parcels, &reason).await,
                // Of all that is here it takes nothing: perhaps it takes what is new.
                Outcome::Failed(..) if turns >= open.len() => return,
                Outcome::Failed(parcels, Some(_)) => {
                    turns += 1;
                    open.push_back(Part { parcels, patience: ALONE_MAX, taken });
                }
            }
        }
    }

    /// Finds out which have arrived already, and leaves those that are to be sent.
    async fn resolve(&mut self, mut parcels: Vec<Parcel>) -> Vec<Parcel> {
        if self.ids == Ids::Ours {
            return parcels;
        }
        let mut failures = 0;
        loop {
            let doubtful = parcels.iter().enumerate().filter(|(_, parcel)| parcel.was_sent && !parcel.is_unknowable);
            let Some(question) = questions(doubtful.map(|(place, parcel)| (place, &parcel.event))).into_iter().next()
            else {
                return parcels;
            };
            self.report.count_question();
            match self.receiver.find(&question).await {
                Ok(rows) => {
                    let asked = question.places.iter().filter_map(|place| Some((*place, &parcels.get(*place)?.event)));
                    let found = matched(&rows, asked);
                    parcels = self.settle_question(parcels, &question, &found).await;
                    failures = 0;
                }
                Err(Unanswered::Never(why)) => give_up(&mut parcels, &question, &why),
                Err(Unanswered::Later { trouble, is_reached }) => {
                    failures += u32::from(is_reached);
                    if failures >= self.settings.ask_attempts_max {
                        give_up(&mut parcels, &question, &trouble.message);
                    } else {
                        self.pause(&trouble).await;
                    }
                }
            }
        }
    }

    /// Notes which of the asked have arrived, and leaves them out. The others surely have not.
    async fn settle_question(
        &mut self,
        parcels: Vec<Parcel>,
        question: &Question,
        found: &HashSet<usize>,
    ) -> Vec<Parcel> {
        let asked: HashSet<_> = question.places.iter().copied().collect();
        let (mut left, mut arrived) = (Vec::new(), Vec::new());
        for (place, mut parcel) in parcels.into_iter().enumerate() {
            if found.contains(&place) {
                arrived.push(parcel.event.id);
                continue;
            }
            // The outbox need not know: they are sent at once.
            parcel.was_sent &= !asked.contains(&place);
            left.push(parcel);
        }
        if !arrived.is_empty() {
            self.report.count_found(arrived.len());
            self.note_delivered(arrived).await;
        }
        left
    }

    async fn send(&mut self, mut parcels: Vec<Parcel>) -> Outcome {
        let authorization = match self.receiver.authorization().await {
            Ok(authorization) => authorization,
            Err(trouble) => {
                self.report.count_attempt(trouble.result);
                self.pause(&trouble).await;
                return Outcome::Left(vec![parcels]);
            }
        };
        let ids = ids_of(&parcels);
        self.note(move |outbox| outbox.sending(&ids)).await;
        let answer = self.receiver.store(request_body(&parcels), authorization).await;
        self.report.count_attempt(result_of(&answer));
        if self.ids == Ids::Theirs && may_have_arrived(&answer) {
            self.report.count_doubles(parcels.iter().filter(|parcel| parcel.was_sent).count());
        }
        match answer {
            Answer::Stored(given) => self.settle_taken(&parcels, &given).await,
            Answer::Queued => self.settle_taken(&parcels, &[]).await,
            Answer::TooMany if parcels.len() > 1 => {
                self.limits.events = parcels.len() / 2;
                Outcome::Left(vec![parcels])
            }
            Answer::TooMany => {
                let message = "the receiver says that one event is too many for it; see its limit of a batch";
                let trouble = Trouble::new(AttemptResult::Unexpected, message, Arrival::No);
                self.postpone(&mut parcels, &trouble).await;
                Outcome::Left(vec![parcels])
            }
            Answer::TooLarge(_) if parcels.len() > 1 => {
                self.limits.bytes = body_length(&parcels) / 2;
                Outcome::Left(vec![parcels])
            }
            Answer::Refused(problem) if parcels.len() > 1 => Outcome::Left(around(parcels, &problem.suspects)),
            Answer::Duplicate(_) if parcels.len() > 1 => Outcome::Left(halves(parcels)),
            Answer::Duplicate(problem) if self.ids == Ids::Ours => {
                tracing::warn!(
                    reason = problem.reason(),
                    "the receiver has an audit event already, and keeps what it has"
                );
                self.note_delivered(ids_of(&parcels)).await;
                Outcome::Settled
            }
            Answer::TooLarge(problem) | Answer::Refused(problem) | Answer::Duplicate(problem) => {
                self.set_aside(parcels, &problem.reason()).await;
                Outcome::Settled
            }
            Answer::Failed(trouble) => {
                self.postpone(&mut parcels, &trouble).await;
                let has_failed = trouble.result == AttemptResult::ReceiverFailed;
                Outcome::Failed(parcels, has_failed.then_some(trouble.message))
            }
        }
    }

    /// Settles events that the receiver has taken, under the ids that it gave them where it says so.
    async fn settle_taken(&mut self, parcels: &[Parcel], given: &[Uuid]) -> Outcome {
        self.tell_limit();
        self.check_ids(parcels, given);
        self.note_delivered(ids_of(parcels)).await;
        Outcome::Settled
    }

    /// Notes what a failed attempt leaves behind, and waits.
    async fn postpone(&mut self, parcels: &mut [Parcel], trouble: &Trouble) {
        match trouble.arrival {
            Arrival::Unknown => parcels.iter_mut().for_each(|parcel| parcel.was_sent = true),
            Arrival::No => {
                // An earlier attempt may have arrived all the same.
                let fresh = parcels.iter().filter(|parcel| !parcel.was_sent).map(|parcel| parcel.event.id);
                let fresh: Vec<_> = fresh.collect();
                // Where this cannot be noted, the next process asks once more than needed.
                let noted = local(self.outbox.clone(), move |outbox| outbox.not_received(&fresh)).await;
                if let Err(failure) = noted {
                    tracing::debug!(%failure, "that events have not arrived could not be noted");
                }
            }
        }
        self.pause(trouble).await;
    }

    async fn note_delivered(&mut self, ids: Vec<Uuid>) {
        let (count, at) = (ids.len(), self.clock.now());
        self.note(move |outbox| outbox.delivered(&ids, at)).await;
        self.report.count_delivered(count, at);
    }

    /// Sets aside what is refused alone, or failed at while others are taken.
    async fn set_aside(&mut self, parcels: Vec<Parcel>, reason: &str) {
        let at = self.clock.now();
        for Parcel { event, .. } in parcels {
            let (id, reason) = (event.id, reason.to_owned());
            tracing::warn!(
                event = %id, event_type = event.event_type, correlation = event.correlation_id, reason,
                "an audit event is not taken; it is kept aside in the ledger"
            );
            self.note(move |outbox| outbox.quarantine(id, &reason, at)).await;
            self.report.count_quarantined();
        }
    }

    /// Says once that the receiver takes fewer events at once than set.
    fn tell_limit(&mut self) {
        let (set, kept) = (self.settings.batch_events_max, self.limits.events);
        if kept < set && !self.limits.is_told {
            self.limits.is_told = true;
            tracing::warn!(
                set,
                kept,
                "the receiver takes fewer audit events at once than set; fewer are sent from now on"
            );
        }
    }

    /// Notices a receiver that gives ids of its own although it was said to keep ours.
    fn check_ids(&mut self, parcels: &[Parcel], given: &[Uuid]) {
        if self.ids == Ids::Theirs || given.is_empty() || parcels.iter().any(|parcel| given.contains(&parcel.event.id))
        {
            return;
        }
        self.ids = Ids::Theirs;
        self.report.count_doubles(parcels.iter().filter(|parcel| parcel.was_sent).count());
        tracing::warn!("the receiver gives audit events ids of its own; it is asked before a resend from now on");
    }
}

fn ids_of(parcels: &[Parcel]) -> Vec<Uuid> {
    parcels.iter().map(|parcel| parcel.event.id).collect()
}

/// Nobody will tell whether these have arrived: they are sent again, for none may be lost.
fn give_up(parcels: &mut [Parcel], question: &Question, why: &str) {
    let asked = question.places.len();
    tracing::warn!(asked, why, "whether audit events have arrived cannot be learned; they are sent again");
    for place in &question.places {
        if let Some(parcel) = parcels.get_mut(*place) {
            parcel.is_unknowable = true;
        }
    }
}

/// Whether the receiver has the events now, or may have them.
fn may_have_arrived(answer: &Answer) -> bool {
    match answer {
        Answer::Stored(_) | Answer::Queued => true,
        Answer::TooMany | Answer::TooLarge(_) | Answer::Duplicate(_) | Answer::Refused(_) => false,
        Answer::Failed(trouble) => trouble.arrival == Arrival::Unknown,
    }
}

fn result_of(answer: &Answer) -> AttemptResult {
    match answer {
        Answer::Stored(_) => AttemptResult::Stored,
        Answer::Queued => AttemptResult::Queued,
        Answer::TooMany | Answer::TooLarge(_) | Answer::Duplicate(_) | Answer::Refused(_) => AttemptResult::Refused,
        Answer::Failed(trouble) => trouble.result,
    }
}
