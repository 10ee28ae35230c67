//! Answers in a guest's memory, as the canonical ABI lays them out.

use trimtab_core::proposal::{Attribute, Budget, Creation, Creations, Deadline, Explanation, Intent, Schedule};
use trimtab_core::time::Timestamp;

use crate::guest::IMAGE_AT;

/// An answer of a slot, or the policy's own refusal.
#[derive(Debug, Clone)]
pub(crate) enum Answered<T> {
    /// The answer.
    Value(T),
    /// Code and message.
    Failure(String, String),
}

impl<T> Answered<T> {
    /// The answer, if it is one.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Failure(..) => None,
        }
    }
}

/// Memory from [`IMAGE_AT`] on; begins with the addresses of the three return areas.
#[derive(Debug, Default)]
pub(crate) struct Image(Vec<u8>);

impl Image {
    /// The memory of these answers.
    pub(crate) fn of(
        schedule: &Answered<Schedule>,
        intent: &Answered<Intent>,
        creations: &Answered<Creations>,
    ) -> Vec<u8> {
        let mut image = Self::default();
        let header = image.room(16);
        image.given(header, schedule, (52, 4), Self::schedule);
        image.given(header + 4, intent, (136, 8), Self::intent);
        image.given(header + 8, creations, (44, 4), Self::creations);
        image.0
    }

    /// Zeros, aligned as the widest number needs it.
    fn room(&mut self, bytes: usize) -> usize {
        let at = self.0.len().next_multiple_of(8);
        self.0.resize(at + bytes, 0);
        at
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.0.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn word(&mut self, at: usize, word: usize) {
        self.put(at, &u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn address(&mut self, at: usize, of: usize) {
        self.word(at, usize::try_from(IMAGE_AT).unwrap_or(0) + of);
    }

    /// A `result` of this size, whose payload begins at this offset, and its address.
    fn given<T>(
        &mut self,
        address_at: usize,
        answered: &Answered<T>,
        (bytes, payload): (usize, usize),
        write: fn(&mut Self, usize, &T),
    ) {
        let at = self.room(bytes);
        self.address(address_at, at);
        match answered {
            Answered::Value(value) => write(self, at + payload, value),
            Answered::Failure(code, message) => {
                self.put(at, &[1]);
                self.text(at + payload, code);
                self.text(at + payload + 8, message);
            }
        }
    }

    fn text(&mut self, at: usize, text: &str) {
        let room = self.room(text.len());
        self.put(room, text.as_bytes());
        self.address(at, room);
        self.word(at + 4, text.len());
    }

    fn list<T>(&mut self, at: usize, items: &[T], bytes: usize, write: fn(&mut Self, usize, &T)) {
        let room = self.room(items.len() * bytes);
        for (place, item) in items.iter().enumerate() {
            write(self, room + place * bytes, item);
        }
        self.address(at, room);
        self.word(at + 4, items.len());
    }

    fn number(&mut self, at: usize, number: u64) {
        self.put(at, &number.to_le_bytes());
    }

    fn time(&mut self, at: usize, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.put(at, &[1]);
            self.number(at + 8, time.as_millis());
        }
    }

    fn attributes(&mut self, at: usize, attributes: &[Attribute]) {
        self.list(at, attributes, 16, |image, at, attribute| {
            image.text(at, &attribute.key);
            image.text(at + 8, &attribute.value);
        });
    }

    fn explanation(&mut self, at: usize, why: &Explanation) {
        self.text(at, &why.rule);
        self.text(at + 8, &why.text);
        self.attributes(at + 16, &why.attributes);
    }

    fn deadline(&mut self, at: usize, deadline: &Deadline) {
        self.text(at, &deadline.phase);
        self.number(at + 8, deadline.at.as_millis());
        self.text(at + 16, &deadline.on_expiry);
        self.number(at + 24, deadline.duration.as_millis());
        if let Some(notice) = &deadline.notice {
            self.put(at + 32, &[1]);
            self.text(at + 36, notice);
        }
        self.attributes(at + 44, &deadline.attributes);
    }

    fn budget(&mut self, at: usize, budget: &Budget) {
        self.text(at, &budget.phase);
        self.number(at + 8, budget.duration.as_millis());
    }

    fn schedule(&mut self, at: usize, schedule: &Schedule) {
        self.list(at, &schedule.deadlines, 56, Self::deadline);
        self.list(at + 8, &schedule.budgets, 16, Self::budget);
        self.explanation(at + 16, &schedule.why);
        self.attributes(at + 40, &schedule.attributes);
    }

    fn intent(&mut self, at: usize, intent: &Intent) {
        let texts = [
            &intent.kind,
            &intent.target_phase,
            &intent.outcome,
            &intent.failure_phase,
            &intent.reason,
            &intent.message,
        ];
        for (place, text) in texts.into_iter().enumerate() {
            self.text(at + 8 * place, text);
        }
        self.time(at + 48, intent.until);
        self.time(at + 64, intent.next_allowed_at);
        self.put(at + 80, &[u8::from(intent.manual_review)]);
        self.text(at + 84, &intent.source);
        self.explanation(at + 92, &intent.why);
        self.attributes(at + 116, &intent.attributes);
    }

    fn creation(&mut self, at: usize, creation: &Creation) {
        self.text(at, &creation.kind);
        self.text(at + 8, &creation.purpose);
        self.text(at + 16, &creation.patch);
        self.attributes(at + 24, &creation.attributes);
    }

    fn creations(&mut self, at: usize, creations: &Creations) {
        self.list(at, &creations.items, 32, Self::creation);
        self.explanation(at + 8, &creations.why);
        self.attributes(at + 32, &creations.attributes);
    }
}
