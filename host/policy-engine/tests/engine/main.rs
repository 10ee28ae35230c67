//! The engine against guests that do what no policy should.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod config;
#[cfg(test)]
mod guests;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod observations;
#[cfg(test)]
mod real;
#[cfg(test)]
mod session;
