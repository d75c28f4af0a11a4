//! A simulated OpenCode: the host's HTTP and events over loopback, with a scripted model inside.
//!
//! [`world`] is the state and knows no HTTP and no time; [`turn`] runs prompts against it; [`route`] is the wire.

mod ask;
mod bus;
mod fault;
mod options;
mod permission;
mod route;
mod snapshot;
mod transcript;
mod turn;
mod wire;
mod world;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use fault::{EventFault, Faults, HttpFault};
pub use options::{AgentMode, SimulatedAgent, SimulatedProvider, SimulatorOptions};
pub use snapshot::{SeenPrompt, SeenRequest, SimulatedSession, SimulatedStatus, TuiCall};

use self::bus::Bus;
use self::snapshot::Records;
use self::world::World;
use super::loopback::Loopback;
use super::script::{CallKind, ModelCall, Player};

/// An OpenCode that runs in this process: same routes, same events, same quirks, no key, no network.
///
/// Time is tokio's: under a paused clock delays and retries take no real time. Dropped, or shut down, it ends its
/// turns, its connections and its port at once.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use orch_opencode::simulator::{HttpFault, Script, Simulator, SimulatorOptions, When};
///
/// let script = Script::new().on(When::prompt("plan"), "1. Look. 2. Leap.");
/// let host = Simulator::start(SimulatorOptions::new(script).password("secret")).await?;
/// host.faults().http("POST /session/*/prompt_async", HttpFault::ResetAfter, 1);
/// // … talk to host.url() …
/// assert_eq!(host.prompts().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Simulator {
    server: Loopback,
    host: Arc<Host>,
}

/// What routes and turns share.
#[derive(Debug)]
struct Host {
    options: SimulatorOptions,
    world: Mutex<World>,
    records: Mutex<Records>,
    /// Counts changes of the records, so that a test can wait for one.
    recorded: watch::Sender<u64>,
    bus: Bus,
    player: Player,
    faults: Faults,
    life: CancellationToken,
    clock: Clock,
}

/// Wall-clock time at the start, and tokio's time from there on.
#[derive(Debug)]
struct Clock {
    start_ms: u64,
    started: Instant,
}

impl Simulator {
    /// Starts serving on a port that the system picks.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start(mut options: SimulatorOptions) -> io::Result<Self> {
        let player = Player::new(std::mem::replace(&mut options.script, super::Script::new()));
        let faults = Faults::default();
        let life = CancellationToken::new();
        let host = Arc::new(Host {
            options,
            world: Mutex::default(),
            records: Mutex::default(),
            recorded: watch::Sender::new(0),
            bus: Bus::new(faults.clone()),
            player,
            faults,
            life: life.clone(),
            clock: Clock::start(),
        });
        let server = Loopback::start(route::router(Arc::clone(&host)), life).await?;
        Ok(Self { server, host })
    }

    /// The root URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The directory of requests that name none.
    pub fn directory(&self) -> &str {
        &self.host.options.directory
    }

    /// Every session there is, newest first.
    pub fn sessions(&self) -> Vec<SimulatedSession> {
        self.host.with(|world| world.threads().map(SimulatedSession::of).collect())
    }

    /// Every prompt that was accepted, in order, repeated ones too.
    pub fn prompts(&self) -> Vec<SeenPrompt> {
        self.host.records().prompts.clone()
    }

    /// Every call of a `/tui` route, in order.
    pub fn tui_calls(&self) -> Vec<TuiCall> {
        self.host.records().tui.clone()
    }

    /// Every request that reached a route, in order; faulty ones too.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.host.records().requests.clone()
    }

    /// Every call of the model inside.
    pub fn model_log(&self) -> Vec<ModelCall> {
        self.host.player.log()
    }

    /// The model calls that asked for an answer to a user message: no titles, no tool results.
    pub fn model_prompts(&self) -> Vec<ModelCall> {
        self.model_log().into_iter().filter(|call| call.kind == CallKind::Prompt).collect()
    }

    /// Waits until the model's log satisfies `enough`; put a time limit around it.
    pub async fn wait_model_log(&self, enough: impl Fn(&[ModelCall]) -> bool) {
        self.host.player.wait_log(enough).await;
    }

    /// Waits until the requests satisfy `enough`; put a time limit around it.
    pub async fn wait_requests(&self, enough: impl Fn(&[SeenRequest]) -> bool) {
        let mut recorded = self.host.recorded.subscribe();
        // The sender lives in the host, so the wait can only end by the condition.
        let _ = recorded.wait_for(|_| enough(&self.host.records().requests)).await;
    }

    /// How many event streams are open.
    pub fn event_streams(&self) -> usize {
        self.host.bus.subscribers()
    }

    /// The faults that can be planned while the host runs.
    pub fn faults(&self) -> Faults {
        self.host.faults.clone()
    }

    /// Ends every open event stream, as a proxy that gives up does. New ones are served.
    pub fn cut_event_streams(&self) {
        self.host.bus.cut();
    }

    /// Resets every open connection, event streams too. New ones are served.
    pub fn cut_connections(&self) {
        self.server.cut_connections();
    }

    /// Closes the port: open connections are reset and new ones refused until
    /// [`Simulator::accept_connections`]. The state lives on. Returns once the port is closed.
    pub async fn refuse_connections(&self) {
        self.server.refuse().await;
    }

    /// Opens the same port again. Returns once it is open.
    pub async fn accept_connections(&self) {
        self.server.accept().await;
    }

    /// Stops serving and ends every turn.
    pub fn shutdown(self) {
        self.server.stop();
    }
}

impl Host {
    /// Changes the world; the events of the change are published before anybody else can change it.
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        // A panic in a test's closure cannot leave the world half-changed in a way that matters to the next test.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.now = self.clock.now_ms();
        let result = act(&mut world);
        for event in world.take_events() {
            self.bus.publish(event);
        }
        result
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, write: impl FnOnce(&mut Records)) {
        write(&mut self.records());
        self.recorded.send_modify(|count| *count += 1);
    }
}

impl Clock {
    fn start() -> Self {
        let start_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        Self { start_ms, started: Instant::now() }
    }

    fn now_ms(&self) -> u64 {
        self.start_ms + self.started.elapsed().as_millis() as u64
    }
}
