//! The engine against guests that do what no policy should.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod compiler;
#[cfg(test)]
mod config;
#[cfg(test)]
#[allow(dead_code, reason = "the hostile guests of the workspace's tests use the rest")]
mod guests;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod observations;
#[cfg(test)]
mod places;
#[cfg(test)]
mod real;
#[cfg(test)]
mod session;
#[cfg(test)]
mod sets;
