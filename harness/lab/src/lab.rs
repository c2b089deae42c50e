//! The lab, as its users see it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::cluster::{LabCluster, describe};
use crate::config::LabConfig;
use crate::engine::Engine;
use crate::error::LabError;
use crate::plane::reach::Caller;
use crate::plane::stream::LabStream;
use crate::plane::{dial, echo, resolve};
use crate::seed;
use crate::serve::{Served, serve};

/// A running lab; clones are the same lab.
#[derive(Clone)]
pub struct Lab {
    engine: Engine,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").finish_non_exhaustive()
    }
}

impl Lab {
    /// Starts a settled mesh that has been up for an hour, with the defects of the configuration.
    #[expect(clippy::needless_pass_by_value, reason = "callers have no use for the configuration afterwards")]
    pub fn start(config: LabConfig) -> Result<Self, LabError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| LabError::Runtime)?;
        let clock = Clock::start(config.epoch);
        let mut world = config.world(clock)?;
        seed::boot(&mut world, &config)?;
        Ok(Self { engine: Engine::start(world, clock, &runtime) })
    }

    /// The clusters, in order.
    pub fn clusters(&self) -> Vec<LabCluster> {
        self.engine.with(|world| describe(world))
    }

    /// The present date of the lab.
    pub fn date(&self) -> SystemTime {
        let clock = self.engine.clock();
        let ms = u64::try_from(clock.dates().unix_ms(clock.now())).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// The clusters that a lab of this configuration has, without starting it.
    pub fn outline(config: &LabConfig) -> Result<Vec<LabCluster>, LabError> {
        let mut world = config.world(Clock::start(config.epoch))?;
        seed::outline(&mut world, config);
        Ok(describe(&world))
    }

    /// Opens a byte stream to an address of the lab, as the runner's machine does: an API server (`api.KEY.lab`,
    /// port 6443), a load balancer, a pod, a Service or a node port.
    ///
    /// Fails as a kernel does (`ConnectionRefused`, `HostUnreachable`, `NotFound` for an unknown name). Where packets are
    /// lost it waits until a retransmission arrives, possibly forever: set a timeout.
    pub async fn dial(&self, host: &str, port: u16) -> std::io::Result<LabStream> {
        dial::dial(&self.engine, host, port).await
    }

    /// Sends one ICMP echo request from the runner and waits for its reply, forever if it is lost. `None` for an address
    /// outside the lab.
    pub async fn echo(&self, to: IpAddr) -> Option<Duration> {
        let ip = self.engine.with(|world| resolve::runner(world, &to.to_string()))?;
        if ip.octets()[..2] != [198, 18] {
            return None;
        }
        Some(echo::echo(&self.engine, &Caller::Runner, ip).await)
    }

    /// Serves the lab on real loopback sockets.
    pub async fn serve(&self) -> std::io::Result<Served> {
        serve(&self.engine, &self.clusters()).await
    }
}
