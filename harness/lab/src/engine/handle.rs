//! The handle through which everything that answers requests reads and changes the world.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::changes::settle;
use super::time::advance;
use crate::clock::{Clock, Ms};
use crate::world::World;

struct Inner {
    world: Mutex<World>,
    clock: Clock,
    wake: Arc<Notify>,
}

/// A world that moves; clones are the same world.
#[derive(Clone)]
pub(crate) struct Engine {
    inner: Arc<Inner>,
}

impl Engine {
    /// Starts to move a world, for as long as a clone of the handle exists.
    pub(crate) fn start(world: World, clock: Clock, runtime: &Handle) -> Self {
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner { world: Mutex::new(world), clock, wake: wake.clone() });
        runtime.spawn(drive(Arc::downgrade(&inner), clock, wake));
        Self { inner }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// When the runner's machine is cut off, and until when.
    pub(crate) fn runner_cut(&self) -> Option<(Instant, Instant)> {
        let clock = self.inner.clock;
        self.with(|world| world.runner_cut).map(|(from, until)| (clock.instant(from), clock.instant(until)))
    }

    /// Reads or changes the world at the present instant; everything that is due has happened before.
    pub(crate) fn with<R>(&self, access: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        advance(&mut world, self.inner.clock.now());
        let before = world.next_due();
        let result = access(&mut world);
        settle(&mut world);
        if world.next_due() != before {
            self.inner.wake.notify_one();
        }
        result
    }
}

/// Lets events happen when they are due, until the last handle is dropped.
async fn drive(world: Weak<Inner>, clock: Clock, wake: Arc<Notify>) {
    loop {
        let next: Option<Ms> = {
            let Some(inner) = world.upgrade() else { return };
            let mut world = inner.world.lock().unwrap_or_else(PoisonError::into_inner);
            advance(&mut world, clock.now());
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
