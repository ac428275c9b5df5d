// berth-runtime exec: a further process in a running container, from process.json or from flags.
import { closeSync, readFileSync } from 'node:fs';
import type { Process } from '@berth/oci/runtime-spec';
import { setChildSubreaper } from '@berth/sys/process';
import { parseDocument, validateProcess } from '../bundle.ts';
import { loadContainer } from '../container.ts';
import type { ExecOptions } from '../container-options.ts';
import { type Arguments, textOf, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { preservedFds, sendConsole, sendPidfd, writePidFile } from './creating.ts';
import { waitInForeground } from './foreground.ts';
import { NAME } from './name.ts';

export const exec: Command = {
  usage: '[options] ID COMMAND [ARG...]',
  help: 'execute a further process in a container',
  // Nearly any other could be the program's.
  failure: 255,
  forksInto: true,
  flags: {
    'console-socket': { kind: 'value', help: 'unix socket that gets the master end of the terminal' },
    cwd: { kind: 'value', help: 'working directory' },
    env: { kind: 'list', short: 'e', help: 'environment variable NAME=VALUE' },
    tty: { kind: 'flag', short: 't', help: 'allocate a terminal' },
    user: { kind: 'value', short: 'u', help: 'UID[:GID]' },
    'additional-gids': { kind: 'list', short: 'g', help: 'further groups' },
    process: { kind: 'value', short: 'p', help: 'path of a process.json' },
    detach: { kind: 'flag', short: 'd', help: 'leave the process running' },
    'pidfd-socket': { kind: 'value', help: 'unix socket that gets a pidfd of the process' },
    'pid-file': { kind: 'value', help: 'file to write the process id to' },
    'process-label': { kind: 'value', help: 'SELinux label' },
    apparmor: { kind: 'value', help: 'AppArmor profile' },
    'no-new-privs': { kind: 'flag', help: 'no new privileges' },
    cap: { kind: 'list', short: 'c', help: 'further capability' },
    'preserve-fds': { kind: 'value', help: 'pass N more descriptors on' },
    cgroup: { kind: 'list', help: "cgroup below the container's own: [CONTROLLER[,CONTROLLER]:]PATH" },
    'ignore-paused': { kind: 'flag', help: 'also in a paused container' },
  },
  async run(parsed, settings) {
    const [id, ...args] = parsed.rest;
    if (!id) throw usage(`${NAME}: "exec" requires a minimum of 1 argument: the container's id`);
    const container = loadContainer(settings.root, id);
    const process = wantedProcess(parsed, args, container.spec.process);
    validateProcess(process, 'process');
    const detach = parsed.flags.has('detach');
    const socket = textOf(parsed, 'console-socket');
    if (process.terminal && detach && socket === undefined)
      throw usage('cannot allocate tty if runc will detach without setting console socket');
    if (socket !== undefined && !(process.terminal && detach))
      throw usage('cannot use console socket if runc will not detach or allocate tty');
    if (!detach) setChildSubreaper(true);
    const cgroup = parsed.values.get('cgroup');
    const options: ExecOptions = {
      stdio: process.terminal ? { terminal: true } : { stdin: 0, stdout: 1, stderr: 2 },
      preserveFds: preservedFds(parsed),
      ignorePaused: parsed.flags.has('ignore-paused'),
      ...(cgroup === undefined ? {} : { cgroup }),
    };
    const result = settings.span
      ? settings.span.during('runtime.exec', (span) => container.exec(process, { ...options, span }))
      : container.exec(process, options);
    if (socket !== undefined && result.consoleMaster !== undefined) sendConsole(socket, result.consoleMaster);
    sendPidfd(textOf(parsed, 'pidfd-socket'), result.pid);
    const pidFile = textOf(parsed, 'pid-file');
    if (pidFile !== undefined) writePidFile(pidFile, result.pid);
    if (!detach) return await waitInForeground(result.pid, result.consoleMaster);
    if (socket === undefined && result.consoleMaster !== undefined) closeSync(result.consoleMaster);
    return 0;
  },
};

function wantedProcess(parsed: Arguments, args: string[], init: Process | undefined): Process {
  const file = textOf(parsed, 'process');
  if (file !== undefined) return parseDocument(readFileSync(file, 'utf8'), file) as Process;
  if (!args.length) throw usage('process args cannot be empty');
  const wanted: Process = { ...init, cwd: textOf(parsed, 'cwd') ?? init?.cwd ?? '/', args, terminal: parsed.flags.has('tty') };
  wanted.env = [...(init?.env ?? []), ...(parsed.values.get('env') ?? [])];
  wanted.user = { uid: 0, gid: 0, ...init?.user };
  const user = textOf(parsed, 'user');
  if (user !== undefined) {
    const [uid, gid] = user.split(':').map(Number);
    if (!Number.isInteger(uid) || (gid !== undefined && !Number.isInteger(gid))) throw usage(`user ${user} is not of the form UID[:GID]`);
    wanted.user = { ...wanted.user, uid: uid ?? 0, gid: gid ?? wanted.user.gid };
  }
  const gids = parsed.values.get('additional-gids');
  if (gids) wanted.user.additionalGids = [...(wanted.user.additionalGids ?? []), ...gids.map(Number)];
  if (parsed.flags.has('no-new-privs')) wanted.noNewPrivileges = true;
  const label = textOf(parsed, 'process-label');
  if (label !== undefined) wanted.selinuxLabel = label;
  const profile = textOf(parsed, 'apparmor');
  if (profile !== undefined) wanted.apparmorProfile = profile;
  const caps = parsed.values.get('cap');
  if (caps) wanted.capabilities = addCapabilities(wanted, caps);
  return wanted;
}

function addCapabilities({ capabilities = {} }: Process, names: readonly string[]) {
  const add = (set: readonly string[] | undefined) => [...new Set([...(set ?? []), ...names])];
  return {
    ...capabilities,
    bounding: add(capabilities.bounding),
    effective: add(capabilities.effective),
    permitted: add(capabilities.permitted),
  };
}
