// cgroup v1: one directory in every mounted hierarchy. In the hybrid layout also one in the v2 hierarchy, which has no
// controllers there but kills a whole cgroup at once.
//
// Each method runs synchronously in whoever calls it (see cgroup.ts). Facts: cgroup-v1/*.rst, cgroups(7).
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { pause, readControl, readKeyed, readOptional, removeCgroupDirectory, writeControl, writeControls } from '@berth/sys/cgroup-file';
import type { ApplyPurpose, Cgroup, CgroupLocation, CgroupStats, CreatedCgroup } from './cgroup.ts';
import { DEFAULT_RULES, devicePolicy, ruleText } from './device-rules.ts';
import { againstRemoval, makeDirectory, processesIn, removeTree } from './directory-tree.ts';
import { unexpectedlyFrozen } from './frozen.ts';
import { killAll } from './kill.ts';
import { CONTROLLER_LIMITS } from './limits-v1.ts';
import { statsV1 } from './stats-v1.ts';

const FREEZE_ATTEMPTS = 500;
/** A fork at the wrong moment can leave a cgroup FREEZING for good; thawing it now and then lets the fork finish. */
const THAW_EVERY = 50;

export class CgroupV1 implements Cgroup {
  readonly location: CgroupLocation;
  readonly needsProcess = false;
  readonly #rootless: boolean;

  constructor(location: CgroupLocation, options: { rootless?: boolean } = {}) {
    this.location = location;
    this.#rootless = options.rootless ?? false;
  }

  create(): CreatedCgroup {
    const made: string[] = [];
    let existed = false;
    try {
      for (const [controller, path] of this.#directories()) {
        try {
          const directories = makeAll(path);
          existed ||= directories.length === 0;
          made.push(...directories);
          if (controller === 'cpuset') this.#inheritCpuset(path);
        } catch (error) {
          if (!this.#mayLack(controller, error)) throw error;
        }
      }
      if (existed && this.frozen()) throw unexpectedlyFrozen();
      const own = new Set(Object.values(this.location.paths));
      return { existed, parents: made.filter((path) => !own.has(path)) };
    } catch (error) {
      // rmdir alone: another container may have moved in below a shared parent
      for (const path of made.reverse()) removeCgroupDirectory(path);
      throw error;
    }
  }

  join(pid: number): void {
    for (const [controller, path] of this.#directories()) {
      try {
        writeControl(path, 'cgroup.procs', pid);
      } catch (error) {
        if (!this.#mayLack(controller, error)) throw error;
      }
    }
  }

  joinAsThread(): void {
    for (const [controller, path] of this.#directories()) {
      if (controller === '') continue;
      try {
        writeControl(path, 'tasks', 0);
      } catch (error) {
        if (!this.#mayLack(controller, error)) throw error;
      }
    }
  }

  taskFiles(): string[] {
    // v1's `tasks` moves one thread and does without the lock that `cgroup.procs` takes.
    return this.#directories().flatMap(([controller, path]) => (controller === '' ? [] : [`${path}/tasks`]));
  }

  apply(resources: LinuxResources, purpose: ApplyPurpose): void {
    if (resources.unified && Object.keys(resources.unified).length > 0) {
      throw new EngineError('InvalidArgument', 'invalid configuration: cannot use unified on cgroup v1', { layer: 'runtime' });
    }
    if (purpose === 'create') this.#restrictDevices(resources);
    for (const [controller, wanted, apply] of CONTROLLER_LIMITS) {
      if (!wanted(resources)) continue;
      const path = this.location.paths[controller];
      if (path === undefined || !existsSync(path)) throw notMounted(controller);
      apply(path, resources);
    }
  }

  freeze(): void {
    const path = this.#require('freezer');
    for (let attempt = 1; attempt <= FREEZE_ATTEMPTS; attempt++) {
      if (attempt % THAW_EVERY === 0) {
        writeControl(path, 'freezer.state', 'THAWED');
        pause(10);
      }
      writeControl(path, 'freezer.state', 'FROZEN');
      if (readControl(path, 'freezer.state') === 'FROZEN') return;
      pause(1);
    }
    writeControl(path, 'freezer.state', 'THAWED');
    throw new EngineError('DeadlineExceeded', `unable to freeze ${path}: a process does not reach a point where it can stop`, {
      layer: 'runtime',
    });
  }

  thaw(): void {
    writeControl(this.#require('freezer'), 'freezer.state', 'THAWED');
  }

  frozen(): boolean {
    const path = this.location.paths.freezer;
    const state = path === undefined ? undefined : readOptional(path, 'freezer.state');
    return state === 'FROZEN' || state === 'FREEZING';
  }

  kill(): void {
    const unified = this.location.paths[''];
    if (unified !== undefined && readOptional(unified, 'cgroup.procs') && existsSync(`${unified}/cgroup.kill`)) {
      writeControl(unified, 'cgroup.kill', 1);
    }
    killAll(this);
  }

  pids(): number[] {
    // Any controller will do: a process is in all of them. A container may own its freezer, it cannot own `devices`.
    const path = this.location.paths.devices ?? this.location.paths.pids ?? Object.values(this.location.paths)[0];
    return path === undefined ? [] : processesIn(path);
  }

  oomKills(): number {
    const path = this.location.paths.memory;
    return (path === undefined ? undefined : readKeyed(path, 'memory.oom_control')?.oom_kill) ?? 0;
  }

  stats(): CgroupStats {
    return statsV1(this.location.paths);
  }

  exists(): boolean {
    return this.#directories().some(([controller, path]) => controller !== '' && existsSync(path));
  }

  remove(): void {
    for (const path of new Set(Object.values(this.location.paths))) removeTree(path);
  }

  /** One entry a hierarchy: controllers that are mounted together share a directory. */
  #directories(): [controller: string, path: string][] {
    const seen = new Set<string>();
    return Object.entries(this.location.paths).filter(([, path]) => !seen.has(path) && seen.add(path));
  }

  #require(controller: string): string {
    const path = this.location.paths[controller];
    if (path === undefined) throw notMounted(controller);
    return path;
  }

  /** A cpuset without cpus and mems takes no process, and new ones start empty: each level copies its parent's. */
  #inheritCpuset(path: string): void {
    const empty = (file: string) => readControl(path, file) === '';
    const parent = dirname(path);
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (!empty(file)) continue;
      if (readOptional(parent, file) === '') this.#inheritCpuset(parent);
      writeControl(path, file, readControl(parent, file));
    }
  }

  #restrictDevices(resources: LinuxResources): void {
    const path = this.location.paths.devices;
    if (path === undefined || (this.#rootless && !existsSync(path))) return;
    const policy = devicePolicy([...(resources.devices ?? []), ...DEFAULT_RULES]);
    const inherited = readControl(path, 'devices.list');
    if (policy.default === 'allow' && inherited === 'a *:* rwm' && policy.exceptions.length === 0) return;
    writeControl(path, policy.default === 'deny' ? 'devices.deny' : 'devices.allow', 'a');
    const exceptions = policy.default === 'deny' ? 'devices.allow' : 'devices.deny';
    writeControls(path, exceptions, policy.exceptions.map(ruleText));
  }

  /** Hierarchies that a container can do without: the v2 side of a hybrid host, and all of them for an unprivileged user. */
  #mayLack(controller: string, error: unknown): boolean {
    const denied = isKind(error, 'PermissionDenied') || isKind(error, 'NotFound');
    return denied && (controller === '' || this.#rootless);
  }
}

/** Makes a directory and those above it; returns the new ones, outermost first. */
function makeAll(path: string): string[] {
  const made: string[] = [];
  againstRemoval(() => {
    const missing: string[] = [];
    for (let at = path; !existsSync(at); at = dirname(at)) missing.unshift(at);
    for (const directory of missing) if (makeDirectory(directory)) made.push(directory);
  });
  return made;
}

function notMounted(controller: string): EngineError {
  return new EngineError(
    'FailedPrecondition',
    `cannot set ${controller} limit: the cgroup controller ${controller} is not mounted on this host`,
    {
      layer: 'runtime',
      details: { controller },
    },
  );
}
