//! The HTTP/1.1 connections of a run: a bounded number of them, kept open for reuse.
//!
//! A request takes the idle connection that was returned last, so that few connections carry most requests. If none is idle, it
//! waits for the first that is returned or opened. Few are opened at once, because opening one costs this machine more than a
//! request does: a burst of requests does not become a burst of connections of which most are idle from then on.

use crate::drive::request_body::RequestBody;
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The most connections to a provider that are being opened at once.
const MAX_OPENING: usize = 16;

/// The reason why a request got no connection, or was not answered.
pub(in crate::drive) type ConnectionError = Box<dyn Error + Send + Sync>;

/// The error of a request that would need one connection more than the run may open.
#[derive(Debug, thiserror::Error)]
#[error("every connection that a run may open is in use")]
pub(super) struct ConnectionLimit;

/// Connections to the providers of a run.
#[derive(Clone, Debug)]
pub(in crate::drive) struct ConnectionPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    runtime: Handle,
    /// By provider.
    addresses: Vec<SocketAddr>,
    /// The maximum number of open connections.
    max: usize,
    /// One permit for each request that waits for a connection or uses one. There are `max` permits, so each request that
    /// holds one gets a connection.
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By provider.
    hosts: Vec<Host>,
    /// Connections that are open or being opened.
    open: usize,
}

#[derive(Debug, Default)]
struct Host {
    /// The one that was returned last is at the end. Some may have been closed by the provider.
    idle: VecDeque<SendRequest<RequestBody>>,
    /// Requests that wait for a connection, the oldest at the front. The sender of a cancelled request is closed.
    waiting: VecDeque<oneshot::Sender<Delivery>>,
    opening: usize,
}

/// What a waiting request receives: a connection, and whether it has carried a request before.
type Delivery = Result<(SendRequest<RequestBody>, bool), ConnectionError>;

/// A connection that one request uses. It is closed if it is dropped instead of being returned.
#[derive(Debug)]
pub(in crate::drive) struct Lease {
    connection: SendRequest<RequestBody>,
    /// `true` if it has carried a request before: then the provider may have closed it before it receives the next.
    pub(in crate::drive) is_reused: bool,
    provider: usize,
    permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Sends a request and waits for the head of its response.
    pub(in crate::drive) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<hyper::Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.connection.try_send_request(request).await
    }
}

impl ConnectionPool {
    /// Returns a pool of at most `max` connections, which is at least 1, to the providers at `addresses`. Connections are opened
    /// when they are needed, on the runtime in which this is called.
    pub(in crate::drive) fn new(addresses: Vec<SocketAddr>, max: usize) -> Self {
        let hosts = addresses.iter().map(|_| Host::default()).collect();
        let state = Mutex::new(State { hosts, open: 0 });
        let permits = Arc::new(Semaphore::new(max));
        Self(Arc::new(Shared { runtime: Handle::current(), addresses, max, permits, state }))
    }

    /// Takes a connection to a provider; waits for one if none is idle.
    ///
    /// # Errors
    /// If the maximum number of requests already use or await a connection, or if a connection cannot be opened.
    pub(in crate::drive) async fn take(&self, provider: usize) -> Result<Lease, ConnectionError> {
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().map_err(|_| ConnectionLimit)?;
        let lease = |connection, is_reused, permit| Lease { connection, is_reused, provider, permit };
        let delivery = {
            let mut state = self.state();
            if let Some(connection) = state.hosts[provider].take_idle() {
                return Ok(lease(connection, true, permit));
            }
            let (waiter, delivery) = oneshot::channel();
            state.hosts[provider].waiting.push_back(waiter);
            delivery
        };
        self.open_wanted();
        let (connection, is_reused) = delivery.await??;
        Ok(lease(connection, is_reused, permit))
    }

    /// Returns a connection whose response has been read; it is closed if the response has not ended.
    pub(in crate::drive) fn give_back(&self, lease: Lease) {
        let Lease { mut connection, provider, permit, .. } = lease;
        // Another request may wait for this connection, also while it is not ready.
        drop(permit);
        if connection.is_ready() {
            return self.deliver(provider, connection, true);
        }
        let pool = self.clone();
        self.0.runtime.spawn(async move {
            if connection.ready().await.is_ok() {
                pool.deliver(provider, connection, true);
            }
        });
    }

    /// Gives a connection to the request that has waited longest; keeps it if none waits.
    fn deliver(&self, provider: usize, connection: SendRequest<RequestBody>, is_reused: bool) {
        let mut state = self.state();
        let host = &mut state.hosts[provider];
        let Some(unwanted) = host.pass(Ok((connection, is_reused))) else { return };
        host.idle.extend(unwanted.map(|(connection, _)| connection));
        // A request to another provider may wait until this connection is closed.
        let is_full = state.open >= self.0.max;
        drop(state);
        if is_full {
            self.open_wanted();
        }
    }

    /// Opens connections for the requests that wait. If no more may be open, closes an idle connection to another provider
    /// instead, and opens the new one when that has ended.
    fn open_wanted(&self) {
        let mut wanted = Vec::new();
        let mut state = self.state();
        for provider in 0..state.hosts.len() {
            while state.hosts[provider].wants_another() {
                if state.open >= self.0.max {
                    state.close_idle(provider);
                    break;
                }
                state.open += 1;
                state.hosts[provider].opening += 1;
                wanted.push(provider);
            }
        }
        // If the runtime has ended, a spawned task is dropped at once, and its drop takes the lock.
        drop(state);
        for provider in wanted {
            let (pool, open) = (self.clone(), OpenConnection(self.clone()));
            self.0.runtime.spawn(async move {
                let opened = pool.open(provider, open).await;
                pool.state().hosts[provider].opening -= 1;
                match opened {
                    Ok(connection) => pool.deliver(provider, connection, false),
                    Err(error) => pool.fail(provider, error),
                }
                pool.open_wanted();
            });
        }
    }

    /// Opens a connection, which counts as `open` until it has ended.
    async fn open(
        &self,
        provider: usize,
        open: OpenConnection,
    ) -> Result<SendRequest<RequestBody>, ConnectionError> {
        let stream = TcpStream::connect(self.0.addresses[provider]).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        self.0.runtime.spawn(async move {
            // The request that uses the connection receives its error.
            let _ = connection.await;
            drop(open);
        });
        sender.ready().await?;
        Ok(sender)
    }

    /// Passes the reason why a connection could not be opened to the request that has waited longest.
    fn fail(&self, provider: usize, error: ConnectionError) {
        drop(self.state().hosts[provider].pass(Err(error)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("invariant: no thread panics while it holds the connections")
    }
}

impl State {
    /// Closes the connection that has been idle longest, of the provider with the most idle connections other than
    /// `provider`.
    fn close_idle(&mut self, provider: usize) {
        let others = self.hosts.iter_mut().enumerate().filter(|(other, _)| *other != provider);
        let others = others.map(|(_, host)| {
            // Closing a connection that the provider has already closed makes no room.
            host.idle.retain(SendRequest::is_ready);
            host
        });
        if let Some(host) = others.max_by_key(|host| host.idle.len()) {
            host.idle.pop_front();
        }
    }
}

impl Host {
    /// Passes a delivery to the request that has waited longest and was not cancelled; returns it if none waits.
    fn pass(&mut self, mut delivery: Delivery) -> Option<Delivery> {
        while let Some(waiter) = self.waiting.pop_front() {
            match waiter.send(delivery) {
                Ok(()) => return None,
                Err(refused) => delivery = refused,
            }
        }
        Some(delivery)
    }

    fn take_idle(&mut self) -> Option<SendRequest<RequestBody>> {
        // Those that the provider has closed are dropped.
        std::iter::from_fn(|| self.idle.pop_back()).find(SendRequest::is_ready)
    }

    /// Returns `true` if a request waits for which no connection is being opened, and fewer than [`MAX_OPENING`] are being
    /// opened.
    fn wants_another(&mut self) -> bool {
        if self.opening >= MAX_OPENING {
            return false;
        }
        self.waiting.retain(|waiter| !waiter.is_closed());
        self.opening < self.waiting.len()
    }
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
struct OpenConnection(ConnectionPool);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.state().open -= 1;
        self.0.open_wanted();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::clock::Clock;
    use crate::drive::connections::local_failure;
    use crate::drive::live::Unbegun;
    use crate::event::LocalFailure;
    use http_body_util::BodyExt as _;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream as BlockingStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    /// A provider that answers every request at once.
    struct Provider {
        address: SocketAddr,
        /// The connections that it has accepted.
        accepted: Arc<AtomicUsize>,
    }

    impl Provider {
        /// Starts a provider that closes each connection after `requests` requests.
        fn start(requests: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let (address, accepted) = (listener.local_addr().expect("an address"), Arc::default());
            let provider = Self { address, accepted: Arc::clone(&accepted) };
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let stream = stream.expect("a connection");
                    accepted.fetch_add(1, Ordering::Relaxed);
                    thread::spawn(move || (0..requests).try_for_each(|_| answer(&stream)));
                }
            });
            provider
        }

        fn accepted(&self) -> usize {
            self.accepted.load(Ordering::Relaxed)
        }
    }

    /// Reads a request with the body `{}` and answers it; `None` if the connection has ended.
    fn answer(mut stream: &BlockingStream) -> Option<()> {
        let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
        while !request.ends_with(b"{}") {
            let bytes = stream.read(&mut buffer).ok().filter(|bytes| *bytes > 0)?;
            request.extend_from_slice(&buffer[..bytes]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").ok()
    }

    fn pool(providers: &[&Provider], max: usize) -> ConnectionPool {
        let addresses = providers.iter().map(|provider| provider.address).collect();
        ConnectionPool::new(addresses, max)
    }

    fn request() -> Request<RequestBody> {
        let (waiting, _) = Unbegun::default().add();
        let body = RequestBody::new("{}".into(), waiting, Clock::start());
        Request::post("/").header("host", "localhost").body(body).expect("a request")
    }

    /// Takes a connection; panics after 30 s.
    async fn take(pool: &ConnectionPool, provider: usize) -> Result<Lease, ConnectionError> {
        soon(pool.take(provider)).await
    }

    /// Waits for a future; panics after 30 s, so that a test that hangs fails.
    async fn soon<T>(awaited: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), awaited).await.expect("it does not hang")
    }

    /// Waits until no connection is open.
    async fn closed(pool: &ConnectionPool) {
        while pool.state().open > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends a request over `lease`, reads the response, and returns the connection.
    async fn use_and_return(pool: &ConnectionPool, mut lease: Lease) {
        let response = soon(lease.send(request())).await.expect("a response");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
        pool.give_back(lease);
    }

    #[tokio::test]
    async fn requests_one_after_the_other_use_one_connection() {
        let provider = Provider::start(usize::MAX);
        let pool = pool(&[&provider], 8);
        for number in 0..20 {
            let lease = take(&pool, 0).await.expect("a connection");
            assert_eq!(lease.is_reused, number > 0);
            use_and_return(&pool, lease).await;
        }
        assert_eq!((provider.accepted(), pool.state().open), (1, 1));
    }

    #[tokio::test]
    async fn a_request_beyond_the_limit_of_connections_is_a_local_failure() {
        let provider = Provider::start(usize::MAX);
        let pool = pool(&[&provider], 3);
        let mut leases = Vec::new();
        for _ in 0..3 {
            leases.push(take(&pool, 0).await.expect("a connection"));
        }
        let error = take(&pool, 0).await.expect_err("all are in use");
        assert_eq!(local_failure(&*error), Some(LocalFailure::Descriptors));
        use_and_return(&pool, leases.pop().expect("three leases")).await;
        assert!(take(&pool, 0).await.expect("one is idle again").is_reused);
    }

    #[tokio::test]
    async fn a_burst_opens_few_connections_at_once_and_every_request_gets_one() {
        const BURST: usize = 100;
        let provider = Provider::start(usize::MAX);
        let pool = pool(&[&provider], BURST);
        let requests = (0..BURST).map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { take(&pool, 0).await.expect("a connection") })
        });
        let requests = requests.collect::<Vec<_>>();
        let mut most = 0;
        while !requests.iter().all(|request| request.is_finished()) {
            most = most.max(pool.state().hosts[0].opening);
            tokio::task::yield_now().await;
        }
        assert_eq!((most, pool.state().open), (MAX_OPENING, BURST), "none was returned, so each opened one");
    }

    #[tokio::test]
    async fn a_request_that_waits_takes_the_connection_that_is_returned_first() {
        let provider = Provider::start(usize::MAX);
        let pool = pool(&[&provider], 2);
        let first = take(&pool, 0).await.expect("a connection");
        // The waiting request is polled before another connection can be open.
        let mut waiting = std::pin::pin!(pool.take(0));
        tokio::select! { biased; _ = &mut waiting => panic!("none is idle"), () = std::future::ready(()) => {} }
        pool.give_back(first);
        assert!(soon(waiting).await.expect("a connection").is_reused);
    }

    #[tokio::test]
    async fn a_request_that_is_cancelled_while_it_waits_leaves_its_place_to_others() {
        let provider = Provider::start(usize::MAX);
        let pool = pool(&[&provider], 1);
        {
            let waiting = std::pin::pin!(pool.take(0));
            tokio::select! { biased; _ = waiting => panic!("none is open"), () = std::future::ready(()) => {} }
        }
        let lease = take(&pool, 0).await.expect("the place is free");
        use_and_return(&pool, lease).await;
        assert_eq!(provider.accepted(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_the_provider_has_closed_is_not_used_again() {
        let provider = Provider::start(1);
        let pool = pool(&[&provider], 1);
        for number in 1..=3 {
            let lease = take(&pool, 0).await.expect("a connection");
            use_and_return(&pool, lease).await;
            assert_eq!(provider.accepted(), number);
            soon(closed(&pool)).await;
        }
    }

    #[tokio::test]
    async fn an_idle_connection_makes_room_for_one_to_another_provider() {
        let (first, second) = (Provider::start(usize::MAX), Provider::start(usize::MAX));
        let pool = pool(&[&first, &second], 1);
        for provider in [0, 1, 0] {
            let lease = take(&pool, provider).await.expect("a connection");
            use_and_return(&pool, lease).await;
            assert_eq!(pool.state().open, 1);
        }
        assert_eq!((first.accepted(), second.accepted()), (2, 1));
    }

    #[tokio::test]
    async fn requests_to_a_provider_that_does_not_listen_fail_and_leave_nothing_open() {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let pool = ConnectionPool::new(vec![address], 5);
        for _ in 0..7 {
            let error = take(&pool, 0).await.expect_err("nothing listens");
            assert_eq!(local_failure(&*error), None, "{error}");
        }
        soon(closed(&pool)).await;
        assert_eq!(pool.0.permits.available_permits(), 5);
    }
}
