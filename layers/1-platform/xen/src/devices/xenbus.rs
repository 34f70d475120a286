//! The handshake of a front end with its back end through the store (`io/xenbus.h`), again whenever the back end comes back.
//!
//! ```text
//!   front end                          back end
//!   Initialising                       Initialising, then InitWait: it has published what it offers
//!   Initialised or Connected: the driver has published its rings
//!                                      Connected: it uses them
//!   Connected
//!   Closed: rings withdrawn            Closing or Closed, or its nodes are gone
//!   Initialising: may begin anew       Closed, but `online`
//! ```
//!
//! The truth is in the store: a front end whose own state reads Initialising has been created anew by the toolstack, one
//! whose state is gone has been unplugged. A back end that goes through InitWait while both are connected takes over the rings
//! as they are, which is what Linux' back ends do when their driver is bound again.

use crate::devices::{
    error::{Error, Result},
    machine::Machine,
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::any::Any;
use rumpkin_core::for_platform::{interface::Notify, services::Event};

/// Domains have lower numbers (`xen.h`, `DOMID_FIRST_RESERVED`).
const RESERVED_DOMAINS: u16 = 0x7ff0;

/// The state of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No state, or one that we don't know.
    Unknown = 0,
    /// Being set up.
    Initialising = 1,
    /// Waits for the other end.
    InitWait = 2,
    /// Has published what the other end needs to connect.
    Initialised = 3,
    /// Works.
    Connected = 4,
    /// Wants to stop.
    Closing = 5,
    /// Has stopped.
    Closed = 6,
}

impl State {
    fn parse(text: &str) -> Self {
        match text {
            "1" => Self::Initialising,
            "2" => Self::InitWait,
            "3" => Self::Initialised,
            "4" => Self::Connected,
            "5" => Self::Closing,
            "6" => Self::Closed,
            _ => Self::Unknown,
        }
    }
}

/// The back end of a device, and where both ends meet.
pub struct Peer {
    /// The services.
    pub machine: &'static dyn Machine,
    /// The domain of the back end.
    pub domain: u16,
    front: String,
    back: String,
    /// Names of the nodes that were published.
    published: Vec<String>,
}

impl Peer {
    fn find(machine: &'static dyn Machine, front: &str) -> Option<Self> {
        let domain = machine.read(&format!("{front}/backend-id"))?.parse().ok()?;
        let back = machine.read(&format!("{front}/backend"))?;
        (domain < RESERVED_DOMAINS && !back.is_empty()).then(|| Self {
            machine,
            domain,
            front: front.to_string(),
            back,
            published: Vec::new(),
        })
    }

    /// What the back end says of `key`.
    pub fn text(&self, key: &str) -> Option<String> {
        self.machine.read(&format!("{}/{key}", self.back))
    }

    /// A number of the back end.
    ///
    /// # Errors
    /// [`Error::Value`] if something else is there.
    pub fn number(&self, key: &'static str) -> Result<Option<u64>> {
        self.text(key).map(|text| text.parse().map_err(|_| Error::Value(key))).transpose()
    }

    /// Whether the back end has a feature.
    pub fn has(&self, key: &'static str) -> Result<bool> {
        Ok(self.number(key)?.is_some_and(|value| value != 0))
    }

    /// Writes a node for the back end.
    pub fn publish(&mut self, key: &str, value: &str) -> Result<()> {
        if !self.machine.write(&format!("{}/{key}", self.front), value) {
            return Err(Error::Store);
        }
        self.published.push(key.to_string());
        Ok(())
    }

    /// Writes a number for the back end.
    pub fn publish_number(&mut self, key: &str, value: u32) -> Result<()> {
        self.publish(key, &value.to_string())
    }

    fn state(&self) -> State {
        self.text("state").map_or(State::Unknown, |text| State::parse(&text))
    }

    fn set_state(&self, state: State) {
        self.machine.write(&format!("{}/state", self.front), &(state as u8).to_string());
    }

    /// Takes back what was published, so that no later back end reads it.
    fn withdraw(&mut self) {
        for key in core::mem::take(&mut self.published) {
            self.machine.remove(&format!("{}/{key}", self.front));
        }
    }
}

/// A driver, as the handshake sees it. All calls may block.
pub trait Driver: Send {
    /// The back end waits: sets up rings and publishes them. Gives the state that says so.
    fn offer(&mut self, peer: &mut Peer) -> Result<State>;

    /// The back end has connected: reads what it says of the device, and begins.
    fn connect(&mut self, peer: &Peer) -> Result<()>;

    /// Stops using the rings; does nothing if there are none. `back`: the back end may come back.
    fn disconnect(&mut self, back: bool);

    /// Whether the back end broke the rules of the rings.
    fn is_broken(&self) -> bool;
}

/// How far a front end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for the back end to be ready.
    Begun,
    /// Has published its rings.
    Offered,
    /// Works.
    Connected,
    /// Its rings are withdrawn; the back end may come back.
    Closed,
    /// Cannot work with this back end, or is unplugged.
    Failed,
}

/// One device: its place in the store, and its driver.
pub struct Device {
    machine: &'static dyn Machine,
    path: String,
    peer: Option<Peer>,
    phase: Phase,
    driver: Box<dyn Driver>,
    notify: Notify,
    /// On the front end's node of the back end, which the toolstack writes.
    _front: Box<dyn Any + Send>,
    /// On the back end's state.
    back: Option<Box<dyn Any + Send>>,
}

impl Device {
    /// The device at `path` ("device/vif/0"). `event` is set when [`Device::step`] is to be called.
    pub fn new(
        machine: &'static dyn Machine,
        path: &str,
        driver: Box<dyn Driver>,
        event: &Arc<dyn Event>,
    ) -> Result<Self> {
        let event = event.clone();
        let notify: Notify = Arc::new(move || event.set());
        let front = machine.watch(&format!("{path}/backend"), notify.clone()).ok_or(Error::Store)?;
        let path = path.to_string();
        Ok(Self { machine, path, peer: None, phase: Phase::Failed, driver, notify, _front: front, back: None })
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its place in the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Looks at the store and does what is to be done. Blocks for the store only.
    pub fn step(&mut self) {
        let own = self.machine.read(&format!("{}/state", self.path)).map(|text| State::parse(&text));
        match own {
            None => return self.unplug(),
            Some(State::Initialising) if self.phase != Phase::Begun => {
                self.unplug();
                self.begin();
            }
            Some(_) => {}
        }
        if self.driver.is_broken() {
            log::error!("{}: the back end breaks the rules of the rings", self.path);
            self.close(Phase::Closed);
        }
        let Some(peer) = &self.peer else { return };
        match (peer.state(), self.phase) {
            (_, Phase::Failed) => {}
            (State::InitWait | State::Initialised, Phase::Begun) => self.offer(),
            (State::InitWait | State::Initialised, Phase::Closed) => {
                peer.set_state(State::Initialising);
                self.offer();
            }
            (State::Connected, Phase::Offered) => self.connect(),
            // It is connected to somebody before us, or to rings that it broke.
            (State::Connected, Phase::Begun) => self.close(Phase::Closed),
            (State::Closing, Phase::Begun | Phase::Offered | Phase::Connected) => self.close(Phase::Closed),
            (State::Closed, Phase::Offered | Phase::Connected | Phase::Closed) => {
                self.close(Phase::Closed);
                self.invite();
            }
            (State::Unknown, Phase::Offered | Phase::Connected) => self.close(Phase::Closed),
            _ => {}
        }
    }

    /// Finds the back end, and hears of it from now on.
    fn begin(&mut self) {
        let Some(peer) = Peer::find(self.machine, &self.path) else { return };
        self.back = self.machine.watch(&format!("{}/state", peer.back), self.notify.clone());
        if self.back.is_none() {
            log::warn!("{}: the store gives no watch on {}", self.path, peer.back);
            return;
        }
        self.peer = Some(peer);
        self.phase = Phase::Begun;
    }

    /// The front end's nodes are gone, or new ones: nothing is written there.
    fn unplug(&mut self) {
        self.driver.disconnect(false);
        self.peer = None;
        self.back = None;
        self.phase = Phase::Failed;
    }

    fn offer(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        match self.driver.offer(peer) {
            Ok(state) => {
                self.phase = Phase::Offered;
                peer.set_state(state);
            }
            Err(error) => self.fail(error),
        }
    }

    fn connect(&mut self) {
        let Some(peer) = &self.peer else { return };
        match self.driver.connect(peer) {
            Ok(()) => {
                self.phase = Phase::Connected;
                peer.set_state(State::Connected);
            }
            Err(error) => self.fail(error),
        }
    }

    #[cold]
    fn fail(&mut self, error: Error) {
        log::error!("{}: {error}", self.path);
        self.close(Phase::Failed);
    }

    /// Stops the driver, and says so.
    fn close(&mut self, phase: Phase) {
        if let Some(peer) = &mut self.peer
            && self.phase != Phase::Closed
        {
            if self.phase == Phase::Connected {
                log::warn!("{}: the back end is gone", self.path);
            }
            self.driver.disconnect(phase == Phase::Closed && peer.has("online").unwrap_or(false));
            peer.withdraw();
            peer.set_state(State::Closed);
            self.phase = phase;
        }
    }

    /// Lets a back end that stopped, but shall stay, begin anew.
    fn invite(&mut self) {
        if let Some(peer) = &self.peer
            && peer.has("online").unwrap_or(false)
        {
            peer.set_state(State::Initialising);
            self.phase = Phase::Begun;
        }
    }
}
