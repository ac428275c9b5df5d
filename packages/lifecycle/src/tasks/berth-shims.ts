// Shims of Berth's own runtime: forked by the zygote, cleaned up after by the shim program's `delete`.
import { millisecondsOf } from '@berth/rpc/timestamp';
import { deleteDeadShim, type Zygote } from '@berth/shim/zygote/client';
import type { Bundle, ShimAddress } from './bundle.ts';
import { type DeadTask, KILLED, type Shims, type StartShimOptions } from './shims.ts';

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

  constructor(options: BerthShimsOptions) {
    this.#options = options;
  }

  async start({ bundle }: StartShimOptions): Promise<ShimAddress> {
    const { zygote, eventsAddress, debug } = this.#options;
    const { namespace, id, path } = bundle;
    return (await zygote).startShim({
      namespace,
      id,
      bundle: path,
      ttrpcAddress: eventsAddress,
      eventsInOrder: true,
      runtimeRoot: this.#runtimeRoot(namespace),
      debug,
    });
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

  #runtimeRoot(namespace: string): string {
    return `${this.#options.runtimeRoot}/${namespace}`;
  }
}
