// Shims of Berth's own runtime: forked by the zygote, cleaned up after by the shim program's `delete`.
import type { Zygote } from '@berth/shim/zygote/client';
import { SHIM_NODE_FLAGS, shimProgram } from '@berth/shim/zygote/programs';
import type { Bundle, ShimAddress } from './bundle.ts';
import { runDelete } from './program-shims.ts';
import type { DeadTask, Shims, StartShimOptions } from './shims.ts';

export interface BerthShimsOptions {
  /** Becomes ready while the service starts. */
  zygote: Promise<Zygote>;
  /** Where shims send their events: the path of this service's ttrpc socket. */
  eventsAddress: string;
  /** State of the runtime, one directory a namespace below it. */
  runtimeRoot: string;
  /** Directory of the shims' sockets. */
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
    return (await zygote).startShim({ namespace, id, bundle: path, ttrpcAddress: eventsAddress, runtimeRoot: this.#runtimeRoot(namespace), debug });
  }

  /** A shim logs by itself and needs nobody. */
  adopt(): void {}

  cleanUp(bundle: Bundle): Promise<DeadTask> {
    const own = ['-runtime-root', this.#runtimeRoot(bundle.namespace), '-socket-dir', this.#options.socketDir];
    return runDelete(process.execPath, [...SHIM_NODE_FLAGS, shimProgram(), ...own], bundle, {});
  }

  #runtimeRoot(namespace: string): string {
    return `${this.#options.runtimeRoot}/${namespace}`;
  }
}
