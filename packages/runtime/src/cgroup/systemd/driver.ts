// A container's cgroup as a transient unit of systemd, which then owns it: a scope, which systemd makes around a process that is there
// already. The cgroup's files are the inner cgroup's business, v1's or v2's; this keeps systemd in agreement with them.
import type { LinuxResources } from '@berth/oci/runtime-spec';
import type { ApplyPurpose, Cgroup, CgroupLocation, CgroupStats, CreatedCgroup } from '../cgroup.ts';
import { SystemdManager, type UnitProperty } from './manager.ts';
import { limitProperties } from './properties.ts';
import type { Unit } from './unit.ts';

export class SystemdCgroup implements Cgroup {
  readonly location: CgroupLocation;
  readonly needsProcess = true;
  readonly #inner: Cgroup;
  readonly #unit: Unit;
  readonly #rootless: boolean;

  readonly #wanted: readonly UnitProperty[];

  /** `wanted`: properties that the bundle asks for, for a unit that is still to be made. */
  constructor(inner: Cgroup, unit: Unit, rootless: boolean, wanted: readonly UnitProperty[] = []) {
    this.#inner = inner;
    this.location = inner.location;
    this.#unit = unit;
    this.#rootless = rootless;
    this.#wanted = wanted;
  }

  /** A unit's name is taken by systemd when it starts it, so there is nothing to find here yet. */
  create(): CreatedCgroup {
    return { existed: false, parents: [] };
  }

  /** Makes the unit around the process, and what systemd leaves out of it: v1's other hierarchies. */
  join(pid: number): void {
    const { name, slice } = this.#unit;
    const isSlice = name.endsWith('.slice');
    const properties: UnitProperty[] = [
      ['Description', ['s', `container ${name}`]],
      ['DefaultDependencies', ['b', false]],
      ...(['MemoryAccounting', 'CPUAccounting', 'TasksAccounting'] as const).map((each): UnitProperty => [each, ['b', true]]),
      this.location.version === 2 ? ['IOAccounting', ['b', true]] : ['BlockIOAccounting', ['b', true]],
      // Delegate: what is below is the container's, and systemd keeps its hands off.
      ...((isSlice
        ? [['Wants', ['as', [slice]]]]
        : [
            ['Slice', ['s', slice]],
            ['Delegate', ['b', true]],
            ['PIDs', ['au', [pid]]],
          ]) as UnitProperty[]),
      ...this.#wanted,
    ];
    using manager = new SystemdManager(this.#rootless);
    manager.resetFailedUnit(name);
    manager.startTransientUnit(name, properties);
    this.#inner.create();
    if (isSlice || this.location.version === 1) this.#inner.join(pid);
  }

  joinAsThread(): void {
    this.#inner.joinAsThread();
  }

  taskFiles(): string[] {
    return this.#inner.taskFiles();
  }

  apply(resources: LinuxResources, purpose: ApplyPurpose): void {
    const properties = limitProperties(this.location.version, resources);
    if (properties.length > 0) {
      using manager = new SystemdManager(this.#rootless);
      manager.setUnitProperties(this.#unit.name, properties);
    }
    this.#inner.apply(resources, purpose);
  }

  freeze(): void {
    this.#inner.freeze();
  }

  thaw(): void {
    this.#inner.thaw();
  }

  frozen(): boolean {
    return this.#inner.frozen();
  }

  kill(): void {
    this.#inner.kill();
  }

  pids(): number[] {
    return this.#inner.pids();
  }

  oomKills(): number {
    return this.#inner.oomKills();
  }

  stats(): CgroupStats {
    return this.#inner.stats();
  }

  exists(): boolean {
    return this.#inner.exists();
  }

  remove(): void {
    using manager = new SystemdManager(this.#rootless);
    manager.stopUnit(this.#unit.name);
    this.#inner.remove();
  }
}
