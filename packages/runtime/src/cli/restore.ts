// berth-runtime restore: a container from the images of a checkpoint, and unless detached stay until it ends, then delete.
import { resolve } from 'node:path';
import { setChildSubreaper } from '@berth/sys/process';
import { readBundle } from '../bundle.ts';
import { type Container, restoreContainer } from '../container.ts';
import { type Arguments, onlyId, textOf, usage } from './arguments.ts';
import type { Command, Settings } from './command.ts';
import { handOver } from './creating.ts';
import { CRIU_FLAGS, criuOptions } from './criu-flags.ts';
import { waitInForeground } from './foreground.ts';

export const restore: Command = {
  usage: '[options] ID',
  help: 'restore a container from a checkpoint',
  flags: {
    ...CRIU_FLAGS,
    bundle: { kind: 'value', short: 'b', help: 'path to the bundle, by default the current directory' },
    'console-socket': { kind: 'value', help: 'unix socket that gets the master end of the terminal' },
    'pid-file': { kind: 'value', help: 'file to write the process id to' },
    detach: { kind: 'flag', short: 'd', help: 'leave the container running' },
    'no-subreaper': { kind: 'flag', help: 'do not adopt the orphans of the container' },
    'no-pivot': { kind: 'flag', help: 'taken for compatibility: criu changes the root' },
    'tcp-close': { kind: 'flag', help: 'restore TCP connections as closed sockets' },
    'lsm-profile': { kind: 'value', help: 'TYPE:NAME of the security label to restore into' },
    'lsm-mount-context': { kind: 'value', help: 'label of the mounts' },
  },
  async run(parsed, settings) {
    const id = onlyId(parsed, 'restore');
    const detach = parsed.flags.has('detach');
    if (!detach && !parsed.flags.has('no-subreaper')) setChildSubreaper(true);
    const container = restoreFromFlags(id, parsed, settings);
    if (detach) return 0;
    const status = await waitInForeground(container.pid, container.consoleMaster);
    container.delete();
    return status;
  },
};

function restoreFromFlags(id: string, parsed: Arguments, settings: Settings): Container {
  const bundle = resolve(textOf(parsed, 'bundle') ?? '.');
  const spec = readBundle(bundle);
  const terminal = spec.process?.terminal === true;
  const socket = textOf(parsed, 'console-socket');
  if (terminal && parsed.flags.has('detach') && socket === undefined)
    throw usage('cannot allocate tty if runc will detach without setting console socket');
  if (socket !== undefined && !(terminal && parsed.flags.has('detach')))
    throw usage('cannot use console socket if runc will not detach or allocate tty');
  const container = restoreContainer({
    ...criuOptions(parsed, settings),
    id,
    bundle,
    root: settings.root,
    spec,
    stdio: terminal ? { terminal: true } : { stdin: 0, stdout: 1, stderr: 2 },
    cgroupManager: settings.systemdCgroup ? 'systemd' : 'cgroupfs',
    warn: settings.warn,
    tcpClose: parsed.flags.has('tcp-close'),
    lsmProfile: textOf(parsed, 'lsm-profile'),
    lsmMountContext: textOf(parsed, 'lsm-mount-context'),
    ...(settings.span ? { span: settings.span } : {}),
  });
  handOver(container, parsed);
  return container;
}
