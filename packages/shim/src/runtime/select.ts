// Which runtime a Create request asks for: containerd.runc.v1.Options in it may name a command line; without, it is the library.
import { EngineError } from '@berth/errdefs/engine-error';
import { holds, unpack } from '@berth/rpc/any';
import type { CreateTaskRequest } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import { InProcessRuntime } from './in-process.ts';
import type { ShimRuntime } from './runtime.ts';

/** Names of our own runtime, which need no program. */
const OWN = new Set(['', 'berth', 'berth-runtime']);

export class RuntimeSelector {
  readonly #root: string;

  /** `root` is where runtimes keep their state when the request names no other place. */
  constructor(root: string) {
    this.#root = root;
  }

  select(request: CreateTaskRequest): ShimRuntime {
    const options = holds(request.options, Options) ? unpack(Options, request.options) : undefined;
    const binary = options?.binaryName ?? '';
    if (!OWN.has(binary)) {
      throw new EngineError('NotImplemented', `the runtime ${binary} is not supported`, { layer: 'shim' });
    }
    return new InProcessRuntime(options?.root || this.#root);
  }
}
