//! Where components are compiled: in this process, or in another one that leaves them in the cache.

use std::fmt;
use std::time::Instant;

use wasmtime::component::Component as Compiled;

use crate::cache::Kept;
use crate::component::LoadError;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::fault::one_line;
use crate::imports;
use crate::limits::Limits;
use crate::parts::Needs;

/// Compiles components outside of this process.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// Compiles a component with [`Engine::compile`] into the cache of an engine with the same settings.
    ///
    /// # Errors
    ///
    /// Why the component is not in the cache now.
    fn compile(&self, component: &[u8]) -> Result<(), CompilerFailure>;
}

/// Why another process has not compiled a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompilerFailure {
    /// The component is at fault: it does not compile, takes too long, or the compiler dies of it.
    Refused(String),
    /// The other process is; this one compiles instead.
    Unavailable(String),
}

impl Engine {
    /// Takes a component through the gate and the compiler, and keeps it in the cache.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn compile(&self, bytes: &[u8]) -> Result<(), LoadError> {
        imports::gate(bytes)?;
        self.compile_here(bytes, &Digest::of(bytes), Needs::of(bytes).as_ref()).map(drop)
    }

    /// From the cache, which holds only what has passed the gate, or through gate and compiler. What the component needs
    /// is held against these very limits either way.
    pub(crate) fn compiled(&self, bytes: &[u8], digest: &Digest, limits: &Limits) -> Result<Compiled, LoadError> {
        if let Some(Kept { compiled, needs }) = self.compile_cache().fetch(self.wasmtime(), digest) {
            needs.check(limits)?;
            return Ok(compiled);
        }
        let needs = Needs::of(bytes);
        needs.iter().try_for_each(|needs| needs.check(limits))?;
        imports::gate(bytes)?;
        let began = Instant::now();
        let compiled = match self.compiled_apart(bytes, digest, needs.as_ref())? {
            Some(compiled) => compiled,
            None => self.compile_here(bytes, digest, needs.as_ref())?,
        };
        self.work().compile.note(began.elapsed());
        Ok(compiled)
    }

    /// What another process has compiled; `None` where there is none, or it cannot.
    fn compiled_apart(
        &self,
        bytes: &[u8],
        digest: &Digest,
        needs: Option<&Needs>,
    ) -> Result<Option<Compiled>, LoadError> {
        let Some(compiler) = self.config().compiler.as_ref().filter(|_| needs.is_some()) else { return Ok(None) };
        if !self.compile_cache().is_used() {
            return Ok(None);
        }
        match compiler.compile(bytes) {
            Ok(()) => Ok(self.compile_cache().fetch(self.wasmtime(), digest).map(|kept| kept.compiled)),
            Err(CompilerFailure::Refused(detail)) => Err(LoadError::Compile { detail }),
            Err(CompilerFailure::Unavailable(why)) => {
                tracing::warn!(%digest, why, "no other process could compile a component: this one does");
                Ok(None)
            }
        }
    }

    fn compile_here(&self, bytes: &[u8], digest: &Digest, needs: Option<&Needs>) -> Result<Compiled, LoadError> {
        let compiled = Compiled::from_binary(self.wasmtime(), bytes)
            .map_err(|error| LoadError::Compile { detail: one_line(&format!("{error:#}")) })?;
        if let Some(needs) = needs {
            self.compile_cache().keep(digest, needs, &compiled);
        }
        Ok(compiled)
    }
}
