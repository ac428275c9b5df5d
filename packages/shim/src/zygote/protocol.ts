// What berth-lifecycle and its zygote say to each other: one JSON object a line, over the socket that the zygote inherits as
// descriptor 3; with each shim comes a descriptor over another one, descriptor 4. Requests are answered in order, for the zygote does one
// thing at a time.

/** What a shim needs to know before its first request; also how `containerd-shim-berth-v1 start` describes itself. */
export interface ShimParameters {
  namespace: string;
  /** The id of the container that the shim is started for. */
  id: string;
  /** Containers of one group in one namespace share a shim: a pod's, a sandbox's. Without, the shim is the container's alone. */
  group?: string;
  /** Absolute path of the bundle: config.json is there, bootstrap.json and init.pid will be. */
  bundle: string;
  /** Where events are forwarded to (containerd.services.events.ttrpc.v1.Events): a unix socket's path; '' publishes nowhere. */
  ttrpcAddress: string;
  /** Whoever serves there handles the events of one connection in order, so that several may be on their way. */
  eventsInOrder?: boolean;
  /** The runtime's state root of this namespace, e.g. `<state>/runtime/moby`. */
  runtimeRoot: string;
  /** Directory of the shims' own sockets. The whole socket path must stay below 108 bytes (sun_path). */
  socketDir: string;
  /** Directory of trace files; none records no spans. */
  traceDir?: string;
  debug?: boolean;
}

/** What a started shim reports: containerd's bootstrap.json. */
export interface ShimBootstrap {
  pid: number;
  /** Absolute path of the unix socket on which the shim serves the task API. */
  address: string;
  protocol: 'ttrpc';
  version: 3;
}

/**
 * A shim without a container: the end of its connection that is its superior's comes over the socket for descriptors. `ahead`: nobody
 * waits for it.
 */
export type ZygoteRequest = { op: 'fork'; ahead: boolean };

export type ZygoteReply = { ok: true; pid: number } | { ok: false; error: string };

/** First line that a zygote writes: the outcome of its self-test and its warm-up. */
export interface ZygoteHello {
  ready: boolean;
  /** Why it cannot fork, when it cannot; why it is cold, when it is. */
  reason?: string;
}
