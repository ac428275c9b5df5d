// cgroup v2: one directory in the unified hierarchy.
//
// Each method runs synchronously in whoever calls it (see cgroup.ts). Facts: cgroup-v2.rst. Two rules shape this file: a
// controller works in a directory only when every parent hands it down (cgroup.subtree_control), and devices are a BPF program.
import { existsSync, readFileSync } from 'node:fs';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { attachDeviceProgram } from '@berth/sys/bpf';
import { pause, readKeyed, readOptional, removeCgroupDirectory, writeControl } from '@berth/sys/cgroup-file';
import type { ApplyPurpose, Cgroup, CgroupLocation, CgroupStats, CreatedCgroup } from './cgroup.ts';
import { compileDeviceProgram } from './device-program.ts';
import { DEFAULT_RULES, devicePolicy } from './device-rules.ts';
import { againstRemoval, makeDirectory, processesIn, removeTree } from './directory-tree.ts';
import { unexpectedlyFrozen } from './frozen.ts';
import { killAll } from './kill.ts';
import { applyLimits, memoryEvents } from './limits-v2.ts';
import { statsV2 } from './stats-v2.ts';

const FREEZE_ATTEMPTS = 1000;

export class CgroupV2 implements Cgroup {
  readonly location: CgroupLocation;
  readonly needsProcess = false;
  readonly #path: string;
  readonly #mountpoint: string;
  readonly #rootless: boolean;

  constructor(location: CgroupLocation, options: { rootless?: boolean } = {}) {
    this.location = location;
    this.#path = location.paths[''] ?? '';
    this.#mountpoint = this.#path.slice(0, this.#path.length - (location.relative['']?.length ?? 0));
    this.#rootless = options.rootless ?? false;
  }

  create(): CreatedCgroup {
    const made: string[] = [];
    const existed = existsSync(this.#path);
    try {
      againstRemoval(() => {
        let parent = this.#mountpoint;
        for (const name of this.#path.slice(parent.length).split('/').filter(Boolean)) {
          // With processes in it a parent would become a threaded one, which no container can live below.
          if (parent === this.#mountpoint || readOptional(parent, 'cgroup.procs') === '') delegateControllers(parent);
          parent = `${parent}/${name}`;
          if (makeDirectory(parent)) made.push(parent);
        }
      });
      requireDomain(this.#path);
      if (existed && this.frozen()) throw unexpectedlyFrozen();
      return { existed, parents: made.filter((path) => path !== this.#path) };
    } catch (error) {
      // rmdir alone: another container may have moved in below a shared parent
      for (const path of made.reverse()) removeCgroupDirectory(path);
      throw error;
    }
  }

  join(pid: number): void {
    writeControl(this.#path, 'cgroup.procs', pid);
  }

  /** Being born in it was all. */
  joinAsThread(): void {}

  taskFiles(): string[] {
    return [];
  }

  apply(resources: LinuxResources, purpose: ApplyPurpose): void {
    applyLimits(this.#path, resources);
    if (purpose === 'create') this.#restrictDevices(resources);
  }

  freeze(): void {
    this.#switchFreezer(true);
  }

  thaw(): void {
    this.#switchFreezer(false);
  }

  frozen(): boolean {
    return readOptional(this.#path, 'cgroup.freeze') === '1';
  }

  kill(): void {
    if (existsSync(`${this.#path}/cgroup.kill`)) writeControl(this.#path, 'cgroup.kill', 1);
    else killAll(this);
    // It kills frozen processes too; the next ones to come here must not find it frozen.
    if (this.frozen()) writeControl(this.#path, 'cgroup.freeze', 0);
  }

  pids(): number[] {
    return processesIn(this.#path);
  }

  oomKills(): number {
    return memoryEvents(this.#path).oomKills;
  }

  stats(): CgroupStats {
    return statsV2(this.#path);
  }

  exists(): boolean {
    return existsSync(this.#path);
  }

  remove(): void {
    removeTree(this.#path);
  }

  #switchFreezer(freeze: boolean): void {
    writeControl(this.#path, 'cgroup.freeze', freeze ? 1 : 0);
    // The file takes effect process by process; cgroup.events says when the last one has stopped.
    for (let attempt = 0; attempt < FREEZE_ATTEMPTS; attempt++) {
      const frozen = readKeyed(this.#path, 'cgroup.events')?.frozen;
      if (frozen === (freeze ? 1 : 0) || frozen === undefined) return;
      pause(1);
    }
    if (freeze) writeControl(this.#path, 'cgroup.freeze', 0);
    throw new EngineError(
      'DeadlineExceeded',
      `unable to ${freeze ? 'freeze' : 'thaw'} ${this.#path}: a process does not reach a point where it can stop`,
      {
        layer: 'runtime',
      },
    );
  }

  #restrictDevices(resources: LinuxResources): void {
    const policy = devicePolicy([...(resources.devices ?? []), ...DEFAULT_RULES]);
    try {
      attachDeviceProgram(
        this.#path,
        policy.default === 'allow' && policy.exceptions.length === 0 ? undefined : compileDeviceProgram(policy),
      );
    } catch (error) {
      // An unprivileged user cannot load programs, and cannot make devices either.
      if (!(this.#rootless && isKind(error, 'PermissionDenied'))) throw error;
    }
  }
}

/** Hands every controller that a directory has down to its children. */
function delegateControllers(directory: string): void {
  const available = readFileSync(`${directory}/cgroup.controllers`, 'utf8').split(/\s+/).filter(Boolean);
  const enabled = new Set(readFileSync(`${directory}/cgroup.subtree_control`, 'utf8').split(/\s+/));
  const missing = available.filter((name) => !enabled.has(name));
  if (missing.length === 0) return;
  try {
    writeControl(directory, 'cgroup.subtree_control', missing.map((name) => `+${name}`).join(' '));
  } catch {
    // One that refuses (cpu with real-time processes about, say) must not keep the others away. A limit that needs the
    // refused one fails later, by the name of its file.
    for (const name of missing) {
      try {
        writeControl(directory, 'cgroup.subtree_control', `+${name}`);
      } catch {}
    }
  }
}

/** A directory below a threaded cgroup takes no process as it is. */
function requireDomain(directory: string): void {
  const type = readOptional(directory, 'cgroup.type');
  if (type === 'domain invalid') {
    throw new EngineError(
      'FailedPrecondition',
      `cannot enter cgroup ${directory} with invalid type: a parent is a threaded cgroup; choose another cgroupsPath`,
      {
        layer: 'runtime',
      },
    );
  }
}
