//! What was measured many times, in order.

use anyhow::{Context as _, Result};

/// Values in ascending order; there is at least one.
#[derive(Debug)]
pub struct Spread<T> {
    values: Vec<T>,
    longest: T,
}

impl<T: Ord + Copy> Spread<T> {
    /// Puts values in order.
    ///
    /// # Errors
    ///
    /// Nothing was measured.
    pub fn of(mut values: Vec<T>) -> Result<Self> {
        values.sort_unstable();
        let longest = *values.last().context("nothing was measured")?;
        Ok(Self { values, longest })
    }

    /// The value that so many of a thousand do not exceed; the greatest for 1000 and more.
    pub fn at(&self, of_thousand: usize) -> T {
        self.values.get(self.values.len() * of_thousand / 1000).copied().unwrap_or(self.longest)
    }

    /// The greatest value.
    pub const fn longest(&self) -> T {
        self.longest
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_hundred_values() {
        let spread = Spread::of((1..=100).rev().collect()).unwrap();
        assert_eq!([0, 500, 990, 999, 1000].map(|share| spread.at(share)), [1, 51, 100, 100, 100]);
        assert_eq!((spread.longest(), spread.count()), (100, 100));
    }

    #[test]
    fn one_value_is_every_share() {
        let spread = Spread::of(vec![7]).unwrap();
        assert_eq!([0, 500, 1000].map(|share| spread.at(share)), [7; 3]);
    }

    #[test]
    fn nothing_has_no_shares() {
        assert!(Spread::<u32>::of(Vec::new()).is_err());
    }
}
