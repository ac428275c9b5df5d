// Which shim and which OCI runtime a container gets, by the name that was asked for (`--runtime`, --default-runtime).
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '@berth/errdefs/engine-error';
import { pack } from '@berth/rpc/any';
import { Options } from '@berth/rpc/gen/containerd/types/runc/options';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';

export interface ContainerRuntime {
  /** As the lifecycle service knows it: io.containerd.<name>.<version>, or the path of a shim. */
  name: string;
  options?: Any;
  /** The shim is Berth's: it serves attach sockets and writes the log itself (docs/attach.md). */
  attaches: boolean;
}

const BERTH = 'io.containerd.berth.v1';
const RUNC = 'io.containerd.runc.v2';

/** InvalidArgument for a name that nobody knows. */
export function runtimeOf({ config, lifecycle }: Pick<ContainerContext, 'config' | 'lifecycle'>, container: Container): ContainerRuntime {
  const name = container.record.hostConfig.Runtime ?? config.defaultRuntime;
  const program = config.runtimes[name] ?? (name.startsWith('/') ? name : undefined);
  const systemdCgroup = config.cgroupDriver === 'systemd';
  const options = program !== undefined || systemdCgroup ? { options: pack(Options, { binaryName: program ?? '', systemdCgroup }) } : {};
  const shim = program ?? name;
  if (shim.startsWith('io.containerd.')) return { name: shim, attaches: shim === BERTH, ...(program === undefined ? options : {}) };
  // Under containerd runc and its like have containerd's own shim above them; Berth's must be asked for, and is not in its PATH.
  const { foreign } = lifecycle;
  if (program !== undefined) return { name: foreign ? RUNC : BERTH, attaches: !foreign, ...options };
  if (name === 'runc' && foreign) return { name: RUNC, attaches: false, ...options };
  if (name === 'berth' || name === 'runc') return { name: foreign ? shimProgram() : BERTH, attaches: true, ...options };
  throw new EngineError('InvalidArgument', `unknown or invalid runtime name: ${name}`, { layer: 'daemon' });
}

/** Beside this bundle's directory, or in the source tree. */
function shimProgram(): string {
  const here = fileURLToPath(import.meta.url);
  return join(dirname(here), here.endsWith('.ts') ? '../../../../..' : '..', 'bin/containerd-shim-berth-v1');
}
