// Shims of Berth's own runtime: forked by the zygote, cleaned up after by the shim program's `delete`.
import { existsSync, readdirSync } from 'node:fs';
import type { RuntimeInfo } from '@berth/rpc/gen/containerd/types/introspection';
import { millisecondsOf } from '@berth/rpc/timestamp';
import type { Init } from '@berth/rpc/wire/message';
import { removeParents } from '@berth/runtime/cgroup/parents';
import { shimInfo } from '@berth/shim/command/info';
import { groupOf } from '@berth/shim/group';
import { socketPath } from '@berth/shim/shim';
import { deleteDeadShim, type Zygote } from '@berth/shim/zygote/client';
import { answers } from '@berth/sys/socket-probe';
import type { Bundle, ShimAddress } from './bundle.ts';
import { type ConnectedShim, connectShim, type DeadTask, KILLED, type Shims, type StartShimOptions, type UseShim } from './shims.ts';

/** The version that Berth's shims serve. */
const TASK_API = 3;

export interface BerthShimsOptions {
  /** Becomes ready while the service starts. */
  zygote: Promise<Zygote>;
  /** Where shims send their events: the path of this service's ttrpc socket. */
  eventsAddress: string;
  /** State of the runtime, one directory a namespace below it. */
  runtimeRoot: string;
  /** Directory of the shims' sockets, the zygote's `<stateDir>/s`. */
  socketDir: string;
  debug: boolean;
}

export class BerthShims implements Shims {
  readonly #options: BerthShimsOptions;
  /** Shims of groups that are being started, by their sockets. */
  readonly #starting = new Map<string, Promise<ConnectedShim>>();

  constructor(options: BerthShimsOptions) {
    this.#options = options;
  }

  async start<T>({ bundle, group = groupOf(bundle.path) }: StartShimOptions, use: UseShim<T>): Promise<T> {
    if (group === undefined) return this.#startOne(bundle, undefined, use);
    const { namespace, id } = bundle;
    const address = socketPath({ socketDir: this.#options.socketDir, namespace, id, group });
    // Nothing to wait for must take no time: the next request may be handled in the same turn of the event loop.
    for (let underWay = this.#starting.get(address); underWay; underWay = this.#starting.get(address)) {
      const known = await underWay.catch(() => undefined);
      if (known) return use(await connectShim(known.shim));
    }
    const shim = { address, version: TASK_API };
    // The group's other containers wait for the shim, and not for what this one does with it.
    const alone = async (connected: ConnectedShim) => connected;
    const started = answers(address).then((alive) => (alive ? connectShim(shim) : this.#startOne(bundle, group, alone)));
    this.#starting.set(address, started);
    try {
      return await use(await started);
    } finally {
      this.#starting.delete(address);
    }
  }

  async #startOne<T>({ namespace, id, path }: Bundle, group: string | undefined, use: UseShim<T>): Promise<T> {
    const { zygote, eventsAddress, socketDir, debug } = this.#options;
    const parameters = {
      namespace,
      id,
      ...(group === undefined ? {} : { group }),
      bundle: path,
      ttrpcAddress: eventsAddress,
      eventsInOrder: true,
      runtimeRoot: this.#runtimeRoot(namespace),
      debug,
    };
    const shim: ShimAddress = { address: socketPath({ socketDir, namespace, id, group }), version: TASK_API };
    const { bootstrap, first } = await (await zygote).startShim(parameters, (client) => use({ shim, client, records: true }));
    shim.pid = bootstrap.pid;
    return first;
  }

  /** A shim logs by itself and needs nobody. */
  adopt(): void {}

  async cleanUp({ namespace, id, path }: Bundle): Promise<DeadTask> {
    const { socketDir } = this.#options;
    const { pid, exitStatus, exitedAt } = await deleteDeadShim({
      namespace,
      id,
      bundle: path,
      socketDir,
      runtimeRoot: this.#runtimeRoot(namespace),
    });
    return { pid, exitStatus: exitStatus || KILLED, exitedAt: exitedAt ? millisecondsOf(exitedAt) : Date.now() };
  }

  async info(): Promise<Init<RuntimeInfo>> {
    return shimInfo();
  }

  tidy(): void {
    const { runtimeRoot } = this.#options;
    if (!existsSync(runtimeRoot)) return;
    for (const namespace of readdirSync(runtimeRoot)) removeParents(this.#runtimeRoot(namespace));
  }

  #runtimeRoot(namespace: string): string {
    return `${this.#options.runtimeRoot}/${namespace}`;
  }
}
