//! The lab as its users hold it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Clock, Ms};
use crate::defects::Defect;
use crate::plane::reach::Caller;
use crate::plane::stream::{LabStream, dial};
use crate::plane::{echo, resolve};
use crate::serve::Served;
use crate::store::{object, resources};
use crate::world::World;

/// What kind of mesh to start.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// How many clusters, 1 to 5.
    pub clusters: usize,
    /// One seed gives one history.
    pub seed: u64,
    /// What is wrong with the mesh from the start.
    pub defects: Vec<Defect>,
    /// Round trip between clusters. It is what a ping between pods of different clusters takes, and what one HTTP hop to
    /// another cluster adds.
    pub rtt: Duration,
    /// Whether the API servers permit only what an access review asked about before: what a client says it needs is then
    /// all it can do.
    pub least_privilege: bool,
    /// The date at the start; the machine's own when absent. Fix it for identical dates in every run.
    pub epoch: Option<SystemTime>,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self {
            clusters: 2,
            seed: 1,
            defects: Vec::new(),
            rtt: Duration::from_millis(44),
            least_privilege: false,
            epoch: None,
        }
    }
}

/// Why a lab did not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The number of clusters is outside 1 to 5.
    #[error("a lab has 1 to 5 clusters, not {0}")]
    Clusters(usize),
    /// A defect names a cluster the lab does not have.
    #[error("defect {defect} names cluster {cluster}, which this lab does not have")]
    Cluster {
        /// The defect as written.
        defect: String,
        /// The cluster key in it.
        cluster: String,
    },
    /// The mesh's certificates could not be made.
    #[error("failed to make the mesh's certificates: {0}")]
    Certificates(String),
    /// There is no tokio runtime to run in.
    #[error("a lab starts inside a tokio runtime")]
    Runtime,
}

/// One cluster of a lab, as a mesh file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabCluster {
    /// `primary`, `secondary`, `third`, `fourth`, `fifth`.
    pub key: String,
    /// The kubeconfig context: `primary-cluster-context`, `secondary-cluster`, ….
    pub context: String,
    /// Istio's cluster id: `primary-cluster`, ….
    pub istio_cluster: String,
    /// Istio's network: `primary-network`, ….
    pub network: String,
    /// The region its nodes are labelled with.
    pub region: String,
    /// Host to dial for the API server, which speaks plain HTTP.
    pub api_host: String,
    /// Port of the API server.
    pub api_port: u16,
    /// The uid of the namespace `kube-system`.
    pub uid: String,
    /// The network pods have their addresses from.
    pub pod_cidr: String,
}

pub(crate) struct Inner {
    world: Mutex<World>,
    clock: Clock,
    wake: Arc<Notify>,
}

/// A running lab; clones are the same lab.
#[derive(Clone)]
pub struct Lab {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").finish_non_exhaustive()
    }
}

impl LabConfig {
    fn world(&self, clock: Clock) -> Result<World, LabError> {
        if !(1..=5).contains(&self.clusters) {
            return Err(LabError::Clusters(self.clusters));
        }
        Ok(World::new(clock.dates(), self.seed, self.rtt.as_secs_f64() * 1000.0))
    }
}

fn describe(world: &World) -> Vec<LabCluster> {
    let describe = |cluster: &crate::world::Cluster| {
        let ident = &cluster.ident;
        let system = cluster.store.get(resources::namespaces(), "", "kube-system");
        LabCluster {
            key: ident.key.into(),
            context: ident.context.clone(),
            istio_cluster: ident.istio.clone(),
            network: ident.network.clone(),
            region: ident.region.into(),
            api_host: ident.api_host(),
            api_port: 6443,
            uid: system.map(|n| object::uid(n).to_owned()).unwrap_or_default(),
            pod_cidr: format!("198.18.{}.0/20", 64 + 16 * ident.number),
        }
    };
    world.clusters.iter().map(describe).collect()
}

impl Lab {
    /// Starts a settled mesh that has been up for an hour, with its defects.
    #[expect(clippy::needless_pass_by_value, reason = "a lab takes its configuration over")]
    pub fn start(config: LabConfig) -> Result<Self, LabError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| LabError::Runtime)?;
        let clock = Clock::start(config.epoch);
        let mut world = config.world(clock)?;
        crate::seed::boot(&mut world, &config)?;
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner { world: Mutex::new(world), clock, wake: wake.clone() });
        runtime.spawn(drive(Arc::downgrade(&inner), clock, wake));
        Ok(Self { inner })
    }

    /// The clusters, in order.
    pub fn clusters(&self) -> Vec<LabCluster> {
        self.with(|world| describe(world))
    }

    /// The date it is in its world.
    pub fn date(&self) -> SystemTime {
        let clock = self.inner.clock;
        let ms = u64::try_from(clock.dates().unix_ms(clock.now())).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// The clusters that a lab of this configuration has, without starting it.
    pub fn outline(config: &LabConfig) -> Result<Vec<LabCluster>, LabError> {
        let mut world = config.world(Clock::start(config.epoch))?;
        crate::seed::outline(&mut world, config);
        Ok(describe(&world))
    }

    /// Opens a byte stream to an address of the lab's world, as the runner's machine would: an API server (`api.KEY.lab`,
    /// port 6443), a load balancer, a pod, a Service or a node port.
    ///
    /// Fails as a kernel would (`ConnectionRefused`, `HostUnreachable`, `NotFound` for an unknown name). Where packets are
    /// lost it does not resolve until a retransmission gets through, which may be never: bound it.
    pub async fn dial(&self, host: &str, port: u16) -> std::io::Result<LabStream> {
        dial(self, host, port).await
    }

    /// Sends one ICMP echo from the runner and waits for its reply; a lost one never resolves. `None` for an address that
    /// is not of the lab's world.
    pub async fn echo(&self, to: IpAddr) -> Option<Duration> {
        let ip = self.with(|world| resolve::runner(world, &to.to_string()))?;
        if ip.octets()[..2] != [198, 18] {
            return None;
        }
        Some(echo::echo(self, &Caller::Runner, ip).await)
    }

    /// Serves the lab on real loopback sockets.
    pub async fn serve(&self) -> std::io::Result<Served> {
        crate::serve::serve(self).await
    }

    /// From when until when the runner's machine is cut off.
    pub(crate) fn runner_cut(&self) -> Option<(Instant, Instant)> {
        let clock = self.inner.clock;
        self.with(|world| world.runner_cut).map(|(from, until)| (clock.instant(from), clock.instant(until)))
    }

    /// Looks at the world, or changes it, at the present instant; everything due has happened before.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.inner.clock.now());
        let before = world.next_due();
        let result = f(&mut world);
        world.settle();
        if world.next_due() != before {
            self.inner.wake.notify_one();
        }
        result
    }
}

/// Lets events happen when they fall due, for as long as anyone holds the lab.
async fn drive(lab: Weak<Inner>, clock: Clock, wake: Arc<Notify>) {
    loop {
        let next: Option<Ms> = {
            let Some(inner) = lab.upgrade() else { return };
            let mut world = inner.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.advance(clock.now());
            world.next_due()
        };
        match next {
            Some(at) => tokio::select! {
                () = sleep_until(clock.instant(at)) => {}
                () = wake.notified() => {}
            },
            None => wake.notified().await,
        }
    }
}
