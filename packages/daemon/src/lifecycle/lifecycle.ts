// The daemon's view of the lifecycle service: the client that every embedder has, in the daemon's namespace.
import { LifecycleClient } from '@berth/lifecycle/client/lifecycle-client';
import { formatTraceparent } from '@berth/trace/context';
import type { Span } from '@berth/trace/tracer';

/** A service that died is back within this time, ms; requests that come meanwhile wait for it. */
const RESTART_PATIENCE = 10_000;

export class Lifecycle extends LifecycleClient {
  /** Somebody else's service, containerd: its shims and what it offers may be others than Berth's. Known after identify(). */
  foreign = false;
  /**
   * Whether its transfers can be told how to reach a registry: by a directory of hosts.toml files, without TLS. Those of containerd 1.7 take no
   * such options, and would go to the wrong place.
   */
  reachesByHosts = true;
  /** The snapshotter of containers' root file systems. */
  readonly snapshotter: string;

  constructor(address: string, { namespace, snapshotter }: { namespace: string; snapshotter: string }) {
    super(address, { namespace, patience: RESTART_PATIENCE });
    this.snapshotter = snapshotter;
  }

  /** Asks the service who it is: Berth's says so in its version's build part. */
  async identify(): Promise<void> {
    const { version } = await this.version.version({});
    this.foreign = !version.includes('+berth');
    this.reachesByHosts = !/^v?1\./.test(version);
  }
}

/** Call options that carry a span's trace downwards. */
export function traced(span: Span | undefined): { trace?: string } {
  return span ? { trace: formatTraceparent(span.context) } : {};
}
