//! A real registry, Docker's own as Debian packages it, and the commands of authors: push, pull, sign, verify.
//!
//! It keeps no lists of referrers, so signatures lie at the tag that cosign uses.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use trimtab_policy_engine::{BUILTIN, Digest};
use trimtab_tests::process::{PATIENCE, program};

/// `ann:open`, as htpasswd writes it.
const USERS: &str = "ann:$2b$04$plZiFq//jq5jIM3JyFaVO.7OHaNFk7Xx5amS2RVlQ9roTBXt3OMVC\n";
/// `ann:open` in base64, as `docker login` writes it.
const LOGIN: &str = "YW5uOm9wZW4=";
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The registry as a child process; killed when it is dropped.
struct Registry {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Nobody else takes a port of loopback in the moment between.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (users, blobs) = (folder.path().join("users"), folder.path().join("blobs"));
        std::fs::write(&users, USERS)?;
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"{address}\"}}\nauth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            blobs.display(),
            users.display()
        );
        let file = folder.path().join("registry.yaml");
        std::fs::write(&file, config)?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("docker-registry cannot be started: apt-get install docker-registry")?;
        let mut registry = Self { child, address, folder };
        registry.until_listening()?;
        Ok(registry)
    }

    fn until_listening(&mut self) -> Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.path().join("log"))?;
                bail!("docker-registry does not listen on {} ({ended:?}): {log}", self.address);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder to work in, with the login of a user.
struct Desk {
    folder: tempfile::TempDir,
    login: PathBuf,
}

impl Desk {
    fn new(registry: &Registry) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let login = folder.path().join("docker");
        std::fs::create_dir(&login)?;
        let config = serde_json::json!({"auths": {registry.address.to_string(): {"auth": LOGIN}}});
        std::fs::write(login.join("config.json"), config.to_string())?;
        std::fs::write(folder.path().join("policy.wasm"), BUILTIN)?;
        Ok(Self { folder, login })
    }

    fn trimtab(&self, arguments: &[&str]) -> Result<Output> {
        self.trimtab_as(&self.login, arguments)
    }

    fn trimtab_as(&self, login: &Path, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program()?);
        command.current_dir(&self.folder).env("DOCKER_CONFIG", login).arg("policy").args(arguments);
        // Its cache belongs to this test alone.
        command.arg("--plain-http").env("XDG_CACHE_HOME", self.folder.path()).env("XDG_DATA_HOME", self.folder.path());
        command.output().context("run trimtab")
    }

    /// What a command prints; it has to end with this code.
    fn ends(&self, code: i32, arguments: &[&str]) -> Result<String> {
        said(code, arguments, self.trimtab(arguments)?)
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("openssl").current_dir(&self.folder).args(arguments).output();
        let output = output.context("openssl cannot be started: apt-get install openssl")?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// `NAME.pem` and `NAME.pub`.
    fn key(&self, name: &str, algorithm: &[&str]) -> Result<()> {
        let (private, public) = (format!("{name}.pem"), format!("{name}.pub"));
        self.openssl(&[&["genpkey", "-out", &private, "-algorithm"], algorithm].concat())?;
        self.openssl(&["pkey", "-in", &private, "-pubout", "-out", &public])
    }
}

/// Both outputs as one text; the command has to end with this code.
fn said(code: i32, arguments: &[&str], output: Output) -> Result<String> {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text)?;
    ensure!(output.status.code() == Some(code), "trimtab policy {arguments:?} ends with {}: {text}", output.status);
    Ok(text)
}

/// The first line of an output.
fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn what_is_pushed_is_pulled_by_tag_and_by_digest() -> Result<()> {
    let registry = Registry::start()?;
    let desk = Desk::new(&registry)?;
    let tag = registry.reference("acme/policies/usual:1");
    let pushed: Value = serde_json::from_str(&desk.ends(0, &["push", "policy.wasm", &tag, "--output", "json"])?)?;
    let pinned = pushed["reference"].as_str().context("no reference")?.to_owned();
    ensure!(pinned.starts_with(&registry.reference("acme/policies/usual@sha256:")), "{pinned}");
    ensure!(pushed["component"] == Digest::of(BUILTIN).to_string(), "{pushed}");
    for reference in [&tag, &pinned] {
        let text = desk.ends(0, &["pull", reference, "-o", "copy.wasm"])?;
        ensure!(first(&text) == pinned, "{text}");
        ensure!(std::fs::read(desk.folder.path().join("copy.wasm"))? == BUILTIN);
        std::fs::remove_file(desk.folder.path().join("copy.wasm"))?;
    }
    let again = desk.ends(0, &["push", "policy.wasm", &tag])?;
    ensure!(first(&again) == pinned, "the same component is another artifact: {again}");
    Ok(())
}

#[test]
fn a_signature_is_verified_by_its_key_and_by_no_other() -> Result<()> {
    let registry = Registry::start()?;
    let desk = Desk::new(&registry)?;
    desk.key("curve", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])?;
    desk.key("edwards", &["ed25519"])?;
    desk.key("stranger", &["ed25519"])?;
    let tag = registry.reference("acme/usual:1");
    let pinned = first(&desk.ends(0, &["push", "policy.wasm", &tag])?).to_owned();
    let unsigned = desk.ends(1, &["verify", &tag, "--key", "curve.pub"])?;
    ensure!(unsigned.contains("not signed"), "{unsigned}");
    for name in ["curve", "edwards"] {
        let signed = desk.ends(0, &["sign", &tag, "--key", &format!("{name}.pem")])?;
        ensure!(first(&signed) == pinned && signed.contains(".sig"), "{signed}");
        let (own, other) = (format!("{name}.pub"), "stranger.pub");
        let good = desk.ends(0, &["verify", &pinned, "--key", &own])?;
        ensure!(good.contains(&format!("verified by the key {own}")), "{good}");
        let bad = desk.ends(1, &["verify", &pinned, "--key", other])?;
        ensure!(bad.contains("none was made by stranger.pub"), "{bad}");
        desk.ends(0, &["verify", &tag, "--key", other, "--key", &own])?;
    }
    Ok(())
}

#[test]
fn who_may_not_what_is_not_there_and_what_is_mistyped_are_told_in_one_line() -> Result<()> {
    let registry = Registry::start()?;
    let desk = Desk::new(&registry)?;
    let tag = registry.reference("acme/usual:1");
    let push = ["push", "policy.wasm", &tag];
    let stranger = said(1, &push, desk.trimtab_as(desk.folder.path(), &push)?)?;
    ensure!(stranger.contains("does not allow") && stranger.contains("log in"), "{stranger}");
    let missing = desk.ends(1, &["pull", &tag, "-o", "copy.wasm"])?;
    ensure!(missing.contains("is not there"), "{missing}");
    let mistyped = desk.ends(2, &["pull", "acme/usual:1", "-o", "copy.wasm"])?;
    ensure!(mistyped.contains("names no registry"), "{mistyped}");
    desk.key("curve", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])?;
    let public = desk.ends(2, &["sign", &tag, "--key", "curve.pub"])?;
    ensure!(public.contains("give the private one"), "{public}");
    std::fs::write(desk.folder.path().join("text.wasm"), "no component")?;
    let text = desk.ends(2, &["push", "text.wasm", &tag])?;
    ensure!(text.contains("no WebAssembly"), "{text}");
    for line in [stranger, missing, mistyped, public, text] {
        ensure!(line.trim_end().lines().count() == 1, "{line}");
    }
    ensure!(!desk.folder.path().join("copy.wasm").exists());
    Ok(())
}

/// Answers this many requests with a component, then goes away.
fn serve(requests: usize) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", BUILTIN.len());
            // A client that has gone away is told by its own test.
            let _ = stream.write_all(&[head.as_bytes(), BUILTIN].concat());
        }
    });
    Ok(address)
}

#[test]
fn a_file_of_a_server_is_pulled_where_its_digest_is_right() -> Result<()> {
    let registry = Registry::start()?;
    let desk = Desk::new(&registry)?;
    let url = format!("http://{}/policy.wasm", serve(2)?);
    let (right, wrong) = (Digest::of(BUILTIN).to_string(), Digest::of(b"other").to_string());
    let refused = desk.ends(1, &["pull", "--url", &url, "--sha256", &wrong, "-o", "copy.wasm"])?;
    ensure!(refused.contains(&right), "{refused}");
    ensure!(!desk.folder.path().join("copy.wasm").exists());
    desk.ends(0, &["pull", "--url", &url, "--sha256", &right, "-o", "copy.wasm"])?;
    ensure!(std::fs::read(desk.folder.path().join("copy.wasm"))? == BUILTIN);
    desk.ends(2, &["pull", "--url", &url, "-o", "copy.wasm"])?;
    Ok(())
}
