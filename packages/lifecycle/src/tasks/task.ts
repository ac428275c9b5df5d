// One task, seen from this service: the connection to its shim. The shim knows everything else; nothing is remembered here that it
// could be asked. A shim whose connection breaks is dead: it never closes one by itself while it has a task.
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Task as TaskV2 } from '@berth/rpc/gen/containerd/runtime/task/v2/shim';
import { Task as TaskV3 } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import type { CallOptions, Stub, TtrpcClient } from '@berth/rpc/ttrpc/client';
import { NAMESPACE } from '@berth/rpc/ttrpc/message';
import { formatTraceparent, TRACEPARENT } from '@berth/trace/context';
import type { Span } from '@berth/trace/tracer';
import type { Bundle, ShimAddress } from './bundle.ts';
import { BERTH_RUNTIME, type ConnectedShim, connectShim } from './shims.ts';

/** Milliseconds for the answer to Shutdown, and from there to the end of the connection. */
const SHUTDOWN_TIMEOUT = 5000;
const HANG_UP_TIMEOUT = 1000;

export class Task {
  readonly bundle: Bundle;
  readonly runtime: string;
  readonly shim: ShimAddress;
  /** The pid of the first process; 0 until it is created. */
  pid = 0;
  /** Whether this service ends the shim, so that the end of its connection is no surprise. */
  ending = false;
  readonly api: Stub<typeof TaskV3>;
  readonly #client: TtrpcClient;

  constructor(bundle: Bundle, runtime: string, { shim, client }: ConnectedShim) {
    this.bundle = bundle;
    this.runtime = runtime;
    this.shim = shim;
    this.#client = client;
    this.api = client.stub(shim.version >= 3 ? TaskV3 : TaskV2);
  }

  static async connect(bundle: Bundle, runtime: string, shim: ShimAddress): Promise<Task> {
    return new Task(bundle, runtime, await connectShim(shim));
  }

  get id(): string {
    return this.bundle.id;
  }

  get namespace(): string {
    return this.bundle.namespace;
  }

  /** Metadata of a call to the shim. */
  options(span?: Span, signal?: AbortSignal): CallOptions {
    const metadata: [string, string][] = [[NAMESPACE, this.namespace]];
    if (span) metadata.push([TRACEPARENT, formatTraceparent(span.context)]);
    return { metadata, signal };
  }

  /** Resolves when the shim is gone, however that happened. */
  gone(): Promise<void> {
    return this.#client.closed();
  }

  /**
   * Asks the shim to end, and waits until its socket is free: it takes that away before it hangs up. One that has other tasks, or a
   * sandbox, stays. Whether it answered: one that was killed, or hangs, has left what its bundle leads to.
   */
  async release(): Promise<boolean> {
    this.ending = true;
    const gone = this.#client.closed().then(() => true);
    const answered = await this.api.shutdown({ id: this.id }, { ...this.options(), timeout: SHUTDOWN_TIMEOUT }).then(
      () => true,
      () => false,
    );
    const hungUp = await Promise.race([gone, delay(HANG_UP_TIMEOUT, false, { ref: false })]);
    this.#client.close();
    // One that was killed meanwhile has left it. Of other runtimes several shims' tasks may be behind one socket.
    if (hungUp && this.runtime === BERTH_RUNTIME) rmSync(this.shim.address, { force: true });
    return answered;
  }

  /** Lets go of the shim, which lives on. */
  disconnect(): void {
    this.ending = true;
    this.#client.close();
  }
}
