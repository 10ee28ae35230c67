//! Every source, everything that can go wrong with it, and whose a component is.

#[cfg(test)]
mod config_map;
#[cfg(test)]
mod file;
#[cfg(test)]
mod http;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod push;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
