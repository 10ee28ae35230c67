//! The administrator's settings, which may change while the controller runs.

use std::sync::{Arc, PoisonError, RwLock};

use trimtab_core::settings::Settings;

/// The settings that hold now; cheap to clone, and every clone is the same.
#[derive(Debug, Clone, Default)]
pub struct SettingsInForce(Arc<RwLock<Settings>>);

impl From<Settings> for SettingsInForce {
    fn from(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(settings)))
    }
}

impl SettingsInForce {
    /// Those that hold now. A decision takes them once, so that it is made under one and the same.
    pub fn now(&self) -> Settings {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets others hold, for every decision from now on. What the brakes take from them holds from the next start on.
    pub fn set(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::time::Span;

    #[test]
    fn what_is_set_holds_in_every_clone() {
        let one = SettingsInForce::from(Settings::default());
        let other = one.clone();
        one.set(Settings { retention: Span::from_secs(5), ..Settings::default() });
        assert_eq!(other.now().retention, Span::from_secs(5));
    }
}
