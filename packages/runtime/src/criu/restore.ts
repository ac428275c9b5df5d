// A container from the images of another one. criu runs in a mount namespace of its own, in which the root file system is mounted as init
// would have mounted it, and in the container's new cgroup; the restored init is a child of the caller, as a created one is.
//
// A restore has two halves. `begin` ends when the namespaces are there and nothing in them runs yet: whoever connects a network can do it
// now, by init's pid. `finish` lets criu bring the processes back. The caller waits for either; nothing here uses the event loop.
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec, State } from '@berth/oci/runtime-spec';
import { type InheritedFd, type Options, RequestType } from '@berth/rpc/gen/criu/rpc';
import type { Init } from '@berth/rpc/wire/message';
import { exitNow } from '@berth/sys/fork';
import { bringUpLoopback } from '@berth/sys/loopback';
import { ATTR, MS, mount, setMountAttributes } from '@berth/sys/mount';
import { CLONE, setns } from '@berth/sys/namespace';
import { inNetworkNamespace, openNetworkNamespace } from '@berth/sys/network-namespace';
import { O } from '@berth/sys/path';
import { waitpid } from '@berth/sys/wait';
import { readBundle, validateSpec } from '../bundle.ts';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { type Claim, claim } from '../claim.ts';
import type { CreateOptions } from '../container-options.ts';
import { runHooks } from '../hooks.ts';
import { makeMountPoints, prepareRoot } from '../init/rootfs.ts';
import { planInit } from '../init-plan.ts';
import { processStatus } from '../process-status.ts';
import { enterResctrl, leaveResctrl } from '../resource-director.ts';
import { awaitReady, discardChild, spawn } from '../spawn.ts';
import { fifoPath, type SavedState, writeInit, writeState } from '../state-file.ts';
import { UndoStack } from '../undo.ts';
import { DESCRIPTORS } from './checkpoint.ts';
import { type Answer, Criu, FIRST_INHERITED } from './criu.ts';
import { mountsByName } from './external-mounts.ts';
import { withLog } from './log.ts';
import { commonOptions, directoriesOf, externalNamespaceKey, type RestoreOptions } from './options.ts';

const LOG = 'restore.log';
/** Where criu finds the root, below the state directory: its parent must not be hidden by another mount. */
const ROOT = 'criu-root';
/** criu's notification at which a restore is held. */
const SETUP = 'setup-namespaces';

export interface Restored {
  state: SavedState;
  /** Of the terminal, when the container had one. */
  master: number | undefined;
}

/** A restore under way; disposing takes back what is not finished. Init stays to be reaped, as a created one that is killed. */
export class Restore implements Disposable {
  readonly state: SavedState;
  readonly cgroup: Cgroup;
  readonly #directory: string;
  readonly #log: string;
  readonly #criu: Criu;
  readonly #undo: UndoStack;
  #answer: Answer | undefined;
  #master: number | undefined;

  /** Init's pid is known when it returns, and its namespaces are made. */
  static begin(options: CreateOptions & RestoreOptions): Restore {
    const spec = options.spec ?? readBundle(options.bundle);
    validateSpec(spec);
    refuseIdMaps(spec, options);
    const undo = new UndoStack();
    try {
      using claimed = claim(options, spec, undo, options.span);
      if (claimed.cgroup.needsProcess)
        throw new EngineError(
          'NotImplemented',
          'systemd cannot make a scope around a process that is still to be restored: leave out --systemd-cgroup',
          {
            layer: 'runtime',
          },
        );
      using descriptors = new UndoStack();
      const inherited: number[] = [];
      const request = restoreRequest(options, claimed.state, inherited, descriptors);
      const root = join(claimed.directory, ROOT);
      mkdirSync(root, { mode: 0o755 });
      const criu = startCriu(options, claimed, root, inherited);
      const restore = new Restore(claimed, options.workPath ?? options.imagePath, criu, undo);
      restore.#begin({ ...request, root });
      return restore;
    } catch (error) {
      undo[Symbol.dispose]();
      throw error;
    }
  }

  private constructor({ state, cgroup, directory }: Claim, log: string, criu: Criu, undo: UndoStack) {
    this.state = state;
    this.cgroup = cgroup;
    this.#directory = directory;
    this.#log = log;
    this.#criu = criu;
    this.#undo = undo;
    const rdt = state.spec.linux?.intelRdt;
    if (rdt) undo.defer(() => leaveResctrl(rdt, state.id));
    undo.defer(() => {
      criu[Symbol.dispose]();
      cgroup.kill();
    });
  }

  #begin(request: Init<Options>): void {
    try {
      this.#telling(() => {
        this.#answer = this.#criu.ask({ type: RequestType.RESTORE, opts: request });
        // A container without namespaces of its own is not told of; then this is the end.
        while (this.#answer.type === RequestType.NOTIFY && this.#noticed(this.#answer) !== SETUP) this.#answer = this.#criu.acknowledge();
      });
    } catch (error) {
      this[Symbol.dispose]();
      // Nobody else knows of it yet.
      if (this.state.pid !== 0) waitpid(this.state.pid);
      throw error;
    }
  }

  /** The processes run again when it returns. */
  finish(): Restored {
    this.#telling(() => {
      while (this.#answer?.type === RequestType.NOTIFY) {
        this.#answer = this.#criu.acknowledge();
        this.#noticed(this.#answer);
      }
    });
    this.#criu[Symbol.dispose]();
    const { state } = this;
    const namespaces = state.spec.linux?.namespaces ?? [];
    // criu gives the processes a clock of their own, which goes on where it stopped: an exec has to join it.
    if (!namespaces.some(({ type }) => type === 'time'))
      state.spec = { ...state.spec, linux: { ...state.spec.linux, namespaces: [...namespaces, { type: 'time' }] } };
    writeState(this.#directory, state);
    rmSync(fifoPath(this.#directory), { force: true });
    rmdirSync(join(this.#directory, ROOT));
    this.#undo.commit();
    const master = this.#master;
    this.#master = undefined;
    return { state, master };
  }

  [Symbol.dispose](): void {
    this.#undo[Symbol.dispose]();
    if (this.#master !== undefined) closeSync(this.#master);
    this.#master = undefined;
  }

  #noticed({ notify, fds }: Answer): string {
    const script = notify?.script ?? '';
    if (script === 'orphan-pts-master') this.#master = fds.shift();
    for (const fd of fds) closeSync(fd);
    if (script === SETUP || script === 'post-restore') this.#born(notify?.pid ?? 0);
    if (script === SETUP) setUpNamespaces(this.state);
    if (script === 'post-restore' && this.state.spec.root?.readonly) makeRootReadOnly(this.state.pid);
    return script;
  }

  #born(pid: number): void {
    const { state } = this;
    if (state.pid === pid) return;
    state.pid = pid;
    state.startTime = processStatus(pid)?.startTime ?? 0;
    writeInit(this.#directory, state);
  }

  #telling(body: () => void): void {
    try {
      body();
    } catch (error) {
      throw withLog(error, this.#log, LOG);
    }
  }
}

/** What init of a created container, and its parent, do at the same point. */
function setUpNamespaces({ id, pid, bundle, spec }: SavedState): void {
  const { hooks, linux } = spec;
  if (linux?.intelRdt) enterResctrl(linux.intelRdt, id, pid);
  if (linux?.namespaces?.some(({ type, path }) => type === 'network' && !path)) raiseLoopback(pid);
  const state: State = { ociVersion: spec.ociVersion, id, status: 'creating', pid, bundle };
  if (spec.annotations) state.annotations = spec.annotations;
  runHooks('prestart', hooks?.prestart, state);
  runHooks('createRuntime', hooks?.createRuntime, state);
}

function restoreRequest(
  options: CreateOptions & RestoreOptions,
  { spec, bundle, cgroup }: SavedState,
  inherited: number[],
  undo: UndoStack,
): Init<Options> {
  const inherit = (key: string, fd: number): InheritedFd => ({ key, fd: FIRST_INHERITED + inherited.push(fd) - 1 });
  const namespaces = spec.linux?.namespaces?.filter(({ path }) => path) ?? [];
  const outside = namespaces.flatMap(({ type, path = '' }) => {
    if (type !== 'network' && type !== 'pid') return [];
    return [inherit(externalNamespaceKey(type === 'network' ? 'net' : 'pid'), openNamespace(path, undo))];
  });
  return {
    ...commonOptions(options, spec, LOG),
    evasiveDevices: true,
    rstSibling: true,
    extMasters: true,
    tcpClose: options.tcpClose ?? false,
    lsmProfile: options.lsmProfile ?? '',
    lsmMountContext: options.lsmMountContext ?? '',
    extMnt: mountsByName(spec, cgroup, bundle),
    cgRoot: Object.entries(cgroup.relative).map(([ctrl, path]) => ({ ctrl, path })),
    inheritFd: [...outside, ...streams(options.imagePath)],
    joinNs: namespaces
      .filter(({ type }) => type !== 'network' && type !== 'pid')
      .map(({ type, path = '' }) => ({ ns: joinName(type), nsFile: path })),
  };
}

/** The pipes that the container was given, by their old names, are criu's own standard streams now. */
function streams(imagePath: string): InheritedFd[] {
  let names: unknown;
  try {
    names = JSON.parse(readFileSync(join(imagePath, DESCRIPTORS), 'utf8'));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${imagePath} is no checkpoint: ${(cause as Error).message}`, { layer: 'runtime', cause });
  }
  if (!Array.isArray(names)) throw new EngineError('InvalidArgument', `${join(imagePath, DESCRIPTORS)} is no list`, { layer: 'runtime' });
  return names.flatMap((key: unknown, fd) => (typeof key === 'string' && key.startsWith('pipe:') && fd < 3 ? [{ key, fd }] : []));
}

function startCriu(
  options: CreateOptions & RestoreOptions,
  { gate, cgroup, mounted }: Claim,
  root: string,
  inherited: readonly number[],
): Criu {
  const spec = options.spec ?? readBundle(options.bundle);
  if (!spec.process) throw new EngineError('InvalidArgument', 'config.json: process is missing', { layer: 'runtime' });
  const namespaces = { cloneFlags: 0, lateFlags: 0, joins: [], joinPid: undefined, needsIntermediate: false };
  const plan = planInit(options, spec, spec.process, { gate, cgroup, namespaces, mounted });
  return Criu.start({
    program: options.criu,
    directories: directoriesOf(options),
    stdio: 'stdin' in options.stdio ? options.stdio : undefined,
    inherited,
    cgroup,
    cloneFlags: CLONE.NEWNS,
    prepare() {
      // What is mounted here is not for the host to see, whatever the root's propagation is to be.
      mount(null, '/', null, MS.SLAVE | MS.REC);
      const rootfs = prepareRoot(plan);
      makeMountPoints(plan, rootfs);
      // Without what makeMountPoints has mounted there.
      mount(plan.rootfs, root, null, MS.BIND);
    },
  });
}

/** criu makes bind mounts by their paths, and knows nothing of maps. */
function refuseIdMaps({ mounts }: Spec, { rootfsMounts }: CreateOptions): void {
  const options = [...(mounts ?? []), ...(rootfsMounts ?? [])].flatMap((each) => each.options ?? []);
  if (options.includes('idmap') || options.includes('ridmap') || mounts?.some(({ uidMappings }) => uidMappings?.length))
    throw new EngineError('NotImplemented', 'a container with id-mapped mounts cannot be restored', { layer: 'runtime' });
}

function openNamespace(path: string, undo: UndoStack): number {
  try {
    const fd = openSync(path, 'r');
    undo.defer(() => closeSync(fd));
    return fd;
  } catch (cause) {
    throw new EngineError('NotFound', `Requested namespace ${path} does not exist`, { layer: 'runtime', cause });
  }
}

function joinName(type: string): string {
  if (type === 'cgroup') throw new EngineError('NotImplemented', 'criu cannot join a cgroup namespace', { layer: 'runtime' });
  return type === 'mount' ? 'mnt' : type;
}

/** criu writes to the root while it restores, and leaves it as it found it. Nothing of the container runs yet. */
function makeRootReadOnly(pid: number): void {
  const namespace = openSync(`/proc/${pid}/ns/mnt`, 'r');
  try {
    const newborn = spawn({
      cloneFlags: 0,
      pidNamespace: undefined,
      intermediate: undefined,
      cgroupDirectory: undefined,
      live(channel) {
        try {
          setns(namespace, CLONE.NEWNS);
          setMountAttributes(openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC), { set: ATTR.RDONLY });
          channel.sendReady([], undefined);
        } catch (error) {
          channel.sendError(error);
        }
        exitNow(0);
      },
    });
    try {
      awaitReady(newborn, { passListener: closeSync });
    } finally {
      newborn.channel.close();
      discardChild(newborn);
    }
  } finally {
    closeSync(namespace);
  }
}

function raiseLoopback(pid: number): void {
  const namespace = openNetworkNamespace(pid);
  try {
    inNetworkNamespace(namespace, bringUpLoopback);
  } finally {
    closeSync(namespace);
  }
}
