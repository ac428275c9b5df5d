// Any other OCI runtime (runc, crun, youki, runsc) by its command line, the one that containerd's shims and conmon use: runc's
// (docs: runc.8 and its subcommands). The root filesystem is mounted in the bundle for it, for only our own mounts it itself.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError, type SysError } from '@berth/errdefs/engine-error';
import type { LinuxResources, Process, Spec } from '@berth/oci/runtime-spec';
import type { Cgroup, CgroupStats } from '@berth/runtime/cgroup/cgroup';
import { watchOom } from '@berth/runtime/cgroup/oom-watch';
import { openCgroup } from '@berth/runtime/cgroup/open';
import type { ExecOptions, ExecResult, MountPoint, Stdio } from '@berth/runtime/container-options';
import type { CheckpointOptions, RestoreOptions } from '@berth/runtime/criu/options';
import { parseMountOptions } from '@berth/runtime/mount-options';
import { remappedTree } from '@berth/runtime/remapped-root';
import { attachTree, MNT_DETACH, MS, mount, umount } from '@berth/sys/mount';
import type { Reaper } from '../process/reaper.ts';
import { findProgram, runProgram } from '../process/run-program.ts';
import { runtimeError } from './cli-error.ts';
import { ConsoleSocket } from './console-socket.ts';
import type { RuntimeContainer, RuntimeCreate, ShimRuntime } from './runtime.ts';

export interface OciCliOptions {
  /** A command or an absolute path. */
  binary: string;
  /** The runtime's state directory (--root). */
  root: string;
  systemdCgroup: boolean;
  noPivot: boolean;
  noNewKeyring: boolean;
}

/** In the bundle: what `delete` needs when the shim is gone. */
const LEFTOVER = 'runtime.json';

interface Leftover {
  binary: string;
  root: string;
  /** Where the shim mounted the root filesystem, if it did. */
  rootfs: string | undefined;
}

/** Takes down what a dead shim left of a container of another runtime; false when the bundle had none. */
export function deleteForeign(bundle: string, id: string): boolean {
  let left: Leftover;
  try {
    left = JSON.parse(readFileSync(join(bundle, LEFTOVER), 'utf8')) as Leftover;
  } catch {
    return false;
  }
  // A failure means that there is no such container any more, or that the next attempt has to do it.
  spawnSync(findProgram(left.binary), ['--root', left.root, 'delete', '--force', id], { stdio: 'ignore' });
  if (left.rootfs !== undefined) unmountQuietly(left.rootfs);
  return true;
}

/** One invocation: what comes before the subcommand's own arguments is the same each time. */
type Invoke = (args: string[], options?: { stdio?: Stdio; stdin?: string; stdout?: string }) => Promise<number | undefined>;

export class OciCliRuntime implements ShimRuntime {
  readonly #options: OciCliOptions;
  readonly #reaper: Reaper;

  constructor(options: OciCliOptions, reaper: Reaper) {
    this.#options = options;
    this.#reaper = reaper;
  }

  async create({ id, bundle, rootfsMounts = [], stdio, restore }: RuntimeCreate): Promise<RuntimeContainer> {
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Spec;
    await using undo = new AsyncDisposableStack();
    const rootfs = mountRootfs(bundle, spec, rootfsMounts);
    undo.defer(() => rootfs[Symbol.dispose]());
    // Before anything is there to be cleaned up: `delete` must know whom to ask.
    const left: Leftover = {
      binary: this.#options.binary,
      root: this.#options.root,
      rootfs: rootfsMounts.length > 0 ? rootfsOf(bundle, spec) : undefined,
    };
    writeFileSync(join(bundle, LEFTOVER), JSON.stringify(left));
    mkdirSync(this.#options.root, { recursive: true, mode: 0o700 });
    const invoke = this.#invoker(bundle);
    const pidFile = join(bundle, 'init.pid');
    const flags = ['--bundle', bundle, '--pid-file', pidFile];
    if (this.#options.noPivot) flags.push('--no-pivot');
    const keyring = this.#options.noNewKeyring ? ['--no-new-keyring'] : [];
    const launch = async (words: string[]) => {
      const consoleMaster = await invoke([...words, id], { stdio });
      return { consoleMaster, pid: Number.parseInt(readFileSync(pidFile, 'utf8'), 10) };
    };
    const cgroup = openCgroup({ id, cgroupsPath: spec.linux?.cgroupsPath });
    const common = { id, bundle, invoke, cgroup, rootfs };
    const container = restore
      ? new CliContainer({ ...common, restore: () => launch(['restore', '--detach', ...flags, ...RESTORED, ...imageFlags(restore)]) })
      : new CliContainer({ ...common, launched: await launch(['create', ...flags, ...keyring]) });
    undo.move();
    return container;
  }

  #invoker(bundle: string): Invoke {
    const { binary, root, systemdCgroup } = this.#options;
    const path = findProgram(binary);
    const log = join(bundle, 'log.json');
    const global = ['--root', root, '--log', log, '--log-format', 'json', ...(systemdCgroup ? ['--systemd-cgroup'] : [])];
    return async (args, { stdio, stdin = '/dev/null', stdout = '/dev/null' } = {}) => {
      using open = new DisposableStack();
      const fd = (name: string, flags: string) => open.adopt(openSync(name, flags, 0o600), closeSync);
      writeFileSync(log, '');
      const terminal = stdio && 'terminal' in stdio ? open.use(ConsoleSocket.listen(join(bundle, 'tty.sock'))) : undefined;
      const given = stdio && !('terminal' in stdio) ? stdio : undefined;
      const fds = given ? [given.stdin, given.stdout, given.stderr] : [fd(stdin, 'r'), fd(stdout, 'w'), fd('/dev/null', 'w')];
      const [command = '', ...rest] = args;
      const all = [path, ...global, command, ...(terminal ? ['--console-socket', terminal.path] : []), ...rest];
      const ended = runProgram(this.#reaper, { path, args: all, env: environment(), fds, cwd: bundle });
      const master = terminal?.receive(ended);
      const status = await ended;
      if (status === 0) return master;
      void master?.then((received) => received !== undefined && closeSync(received));
      throw runtimeError(log, command, path, status);
    };
  }
}

interface Launched {
  pid: number;
  consoleMaster: number | undefined;
}

interface CliContainerOptions {
  id: string;
  bundle: string;
  /** One that has been created; */
  launched?: Launched;
  /** or what restores it: other runtimes do that at once, so it is its start. */
  restore?: () => Promise<Launched>;
  invoke: Invoke;
  cgroup: Cgroup;
  rootfs: Disposable;
}

class CliContainer implements RuntimeContainer {
  readonly #options: CliContainerOptions;
  #launched: Launched | undefined;
  /** A runtime whose checkpoint ended the container has deleted it, too. */
  #gone = false;

  constructor(options: CliContainerOptions) {
    this.#options = options;
    this.#launched = options.launched;
  }

  get pid(): number {
    return this.#launched?.pid ?? 0;
  }

  get consoleMaster(): number | undefined {
    return this.#launched?.consoleMaster;
  }

  async start(): Promise<void> {
    if (this.#launched) return this.#run('start');
    this.#launched = await this.#options.restore?.();
  }

  kill(signal: number, { all = false }: { all?: boolean } = {}): Promise<void> {
    const { id, invoke } = this.#options;
    return invoke(['kill', ...(all ? ['--all'] : []), id, String(signal)]).then(() => {});
  }

  async exec(process: Process, { execId, stdio }: ExecOptions & { execId: string }): Promise<ExecResult> {
    const { id, bundle, invoke } = this.#options;
    const file = join(bundle, `exec-${execId}`);
    writeFileSync(`${file}.json`, JSON.stringify(process), { mode: 0o600 });
    const consoleMaster = await invoke(['exec', '--process', `${file}.json`, '--detach', '--pid-file', `${file}.pid`, id], { stdio });
    return { pid: Number.parseInt(readFileSync(`${file}.pid`, 'utf8'), 10), consoleMaster };
  }

  pause(): Promise<void> {
    return this.#run('pause');
  }

  resume(): Promise<void> {
    return this.#run('resume');
  }

  async update(resources: LinuxResources): Promise<void> {
    const { id, bundle, invoke } = this.#options;
    const file = join(bundle, 'update.json');
    writeFileSync(file, JSON.stringify(resources), { mode: 0o600 });
    await invoke(['update', '--resources', '-', id], { stdin: file });
  }

  async checkpoint(options: CheckpointOptions): Promise<void> {
    const { id, invoke } = this.#options;
    await invoke(['checkpoint', ...checkpointFlags(options), id]);
    this.#gone = !options.leaveRunning;
  }

  pids(): number[] {
    return this.#options.cgroup.pids();
  }

  stats(): CgroupStats {
    return this.#options.cgroup.stats();
  }

  oomKills(): number {
    return this.#options.cgroup.oomKills();
  }

  watchOom(changed: () => void): Disposable {
    return watchOom(this.#options.cgroup.location, changed);
  }

  async delete({ force = false }: { force?: boolean } = {}): Promise<void> {
    const { id, invoke, rootfs } = this.#options;
    if (this.#launched && !this.#gone) await invoke(['delete', ...(force ? ['--force'] : []), id]);
    rootfs[Symbol.dispose]();
  }

  async #run(command: string): Promise<void> {
    await this.#options.invoke([command, this.#options.id]);
  }
}

/** Whoever made the checkpoint decided on these; the restore only has to let them be. */
const RESTORED = ['--tcp-established', '--ext-unix-sk', '--file-locks'];

function checkpointFlags(options: CheckpointOptions): string[] {
  return [
    ...imageFlags(options),
    ...(options.parentPath ? ['--parent-path', options.parentPath] : []),
    ...(options.leaveRunning ? ['--leave-running'] : []),
    ...(options.tcpEstablished ? ['--tcp-established'] : []),
    ...(options.extUnixSockets ? ['--ext-unix-sk'] : []),
    ...(options.shellJob ? ['--shell-job'] : []),
    ...(options.fileLocks ? ['--file-locks'] : []),
    ...(options.cgroupMode ? ['--manage-cgroups-mode', options.cgroupMode] : []),
  ];
}

function imageFlags({ imagePath, workPath }: Pick<RestoreOptions, 'imagePath' | 'workPath'>): string[] {
  return ['--image-path', imagePath, ...(workPath ? ['--work-path', workPath] : [])];
}

/** Mounts a container's root in its bundle; what comes back unmounts it. */
function mountRootfs(bundle: string, spec: Spec, mounts: readonly MountPoint[]): Disposable {
  const target = rootfsOf(bundle, spec);
  const stack = new DisposableStack();
  try {
    for (const { type, source, options } of mounts) {
      const tree = remappedTree({ type, source, options });
      if (tree !== undefined) {
        attachRemapped(tree, target);
        stack.defer(() => unmountQuietly(target));
        continue;
      }
      const parsed = parseMountOptions(options, type);
      const bind = parsed.bind ? MS.BIND | (parsed.recursive ? MS.REC : 0) : 0;
      mount(source, target, type, bind || parsed.flags, parsed.data || null);
      stack.defer(() => unmountQuietly(target));
      // A bind mount takes its flags in a second step.
      if (bind && parsed.flags) mount(null, target, null, MS.REMOUNT | MS.BIND | parsed.flags);
    }
  } catch (cause) {
    stack.dispose();
    throw new EngineError((cause as SysError).kind ?? 'Internal', `failed to mount rootfs component: ${(cause as Error).message}`, {
      layer: 'shim',
      cause,
    });
  }
  return stack;
}

function attachRemapped(tree: number, path: string): void {
  const target = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    attachTree(tree, target);
  } finally {
    closeSync(target);
    closeSync(tree);
  }
}

function rootfsOf(bundle: string, spec: Spec): string {
  const path = spec.root?.path ?? 'rootfs';
  return isAbsolute(path) ? path : join(bundle, path);
}

function unmountQuietly(target: string): void {
  try {
    umount(target, MNT_DETACH);
  } catch {
    // Not mounted any more, which is all that is wanted.
  }
}

function environment(): string[] {
  return Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}
