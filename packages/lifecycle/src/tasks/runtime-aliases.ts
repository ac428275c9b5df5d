// Names of runtimes that stand for others (--runtime-alias FROM=TO): a daemon that can only ask for io.containerd.runc.v2, as
// dockerd does, gets Berth's shims by it.
import { EngineError } from '@berth/errdefs/engine-error';
import { holds, unpack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { BERTH_RUNTIME, shimProgramOf } from './shims.ts';

export interface WantedRuntime {
  name: string;
  options: Any | undefined;
}

/** What clients call the default OCI runtime: under another shim it means that shim's own default. */
const DEFAULT_BINARIES = new Set(['', 'runc']);

export class RuntimeAliases {
  readonly #targets: ReadonlyMap<string, string>;

  /** InvalidArgument when what is to be started is no runtime's name. */
  constructor(targets: Readonly<Record<string, string>>) {
    this.#targets = new Map(Object.entries(targets));
    for (const target of this.#targets.values()) shimProgramOf(target);
  }

  /** The runtime that a request gets. An OCI runtime that it names (BinaryName) goes along; the default one stays behind. */
  resolve(wanted: WantedRuntime): WantedRuntime {
    const name = this.#targets.get(wanted.name);
    if (name === undefined) return wanted;
    const isDefault = holds(wanted.options, Options) && DEFAULT_BINARIES.has(unpack(Options, wanted.options).binaryName);
    return { name, options: name === BERTH_RUNTIME && isDefault ? undefined : wanted.options };
  }
}

/** `pairs` are FROM=TO. InvalidArgument when one is not, or TO is no runtime's name. */
export function parseAliases(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map(parsePair));
}

function parsePair(pair: string): [string, string] {
  const [from = '', to = '', ...more] = pair.split('=');
  if (from === '' || to === '' || more.length > 0) {
    throw new EngineError('InvalidArgument', `--runtime-alias ${pair}: say FROM=TO, as in io.containerd.runc.v2=${BERTH_RUNTIME}`, {
      layer: 'lifecycle',
    });
  }
  shimProgramOf(to);
  return [from, to];
}
