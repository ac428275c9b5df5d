// The flags that containerd gives its shims, by Go's rules (one dash or two, `-flag value` or `-flag=value`), and our own:
// -socket-dir, -runtime-root and -trace-dir, which berth-lifecycle adds.
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { ShimParameters } from '../zygote/protocol.ts';

export type Command =
  | { action: 'version' }
  | { action: 'info' }
  /** Internal: the process that `start` leaves behind. */
  | { action: 'serve' }
  | {
      action: 'start';
      shim: ShimParameters /** The newest bootstrap format that the caller reads; 0: an address alone. */;
      maxVersion: number;
    }
  | { action: 'delete'; shim: ShimParameters };

const SWITCHES = new Set(['debug', 'v', 'info']);
const VALUES = new Set(['namespace', 'id', 'address', 'publish-binary', 'bundle', 'socket', 'socket-dir', 'runtime-root', 'trace-dir']);

export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Command {
  const flags = new Map<string, string>();
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(argument);
    if (!match || rest.length > 0) {
      rest.push(argument);
      continue;
    }
    const [, name = '', inline] = match;
    if (SWITCHES.has(name)) flags.set(name, inline ?? 'true');
    else if (VALUES.has(name)) flags.set(name, inline ?? argv[++at] ?? refuse(`flag -${name} needs a value`));
    else refuse(`flag -${name} is not known`);
  }
  if (flags.get('v') === 'true') return { action: 'version' };
  if (flags.get('info') === 'true') return { action: 'info' };
  const [action] = rest;
  if (action === 'serve') return { action };
  const required = (name: string) => flags.get(name) || refuse(`flag -${name} is required`);
  const namespace = required('namespace');
  const shim: ShimParameters = {
    namespace,
    id: required('id'),
    bundle: flags.get('bundle') || cwd,
    ttrpcAddress: env.TTRPC_ADDRESS ?? '',
    runtimeRoot: flags.get('runtime-root') || join('/run/berth/runtime', namespace),
    socketDir: flags.get('socket-dir') || '/run/berth/s',
    traceDir: flags.get('trace-dir'),
    debug: flags.get('debug') === 'true',
  };
  if (action === 'start') return { action, shim, maxVersion: Number(env.MAX_SHIM_VERSION ?? 0) || 0 };
  if (action === 'delete') return { action, shim };
  return refuse(action === undefined ? 'say what to do: start or delete' : `the action ${action} is not known; there are start and delete`);
}

function refuse(message: string): never {
  throw new EngineError('InvalidArgument', message, { layer: 'shim' });
}
