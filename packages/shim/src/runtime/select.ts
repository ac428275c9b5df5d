// Which runtime a Create request asks for: containerd.runc.v1.Options in it may name a command line; without, it is the library.
import { holds, unpack } from '@berth/rpc/any';
import type { CreateTaskRequest } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { PreparedInit } from '@berth/runtime/prepared-init';
import type { Reaper } from '../process/reaper.ts';
import { InProcessRuntime } from './in-process.ts';
import { OciCliRuntime } from './oci-cli.ts';
import type { ShimRuntime } from './runtime.ts';

/** Names of our own runtime, which need no program. */
const OWN = new Set(['', 'berth', 'berth-runtime']);

export class RuntimeSelector {
  readonly #root: string;
  readonly #reaper: Reaper;
  #prepared: PreparedInit | undefined;

  /** `root` is where runtimes keep their state when the request names no other place; `prepared` is for the first container. */
  constructor(root: string, reaper: Reaper, prepared?: PreparedInit) {
    this.#root = root;
    this.#reaper = reaper;
    this.#prepared = prepared;
  }

  select(request: CreateTaskRequest): ShimRuntime {
    const options = holds(request.options, Options) ? unpack(Options, request.options) : undefined;
    const binary = options?.binaryName ?? '';
    const root = options?.root || this.#root;
    const noPivot = options?.noPivotRoot ?? false;
    const noNewKeyring = options?.noNewKeyring ?? false;
    const systemdCgroup = options?.systemdCgroup ?? false;
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (!OWN.has(binary)) prepared?.[Symbol.dispose]();
    if (!OWN.has(binary)) return new OciCliRuntime({ binary, root, systemdCgroup, noPivot, noNewKeyring }, this.#reaper);
    return new InProcessRuntime({ root, noPivot, noNewKeyring, cgroupManager: systemdCgroup ? 'systemd' : 'cgroupfs', prepared });
  }
}
