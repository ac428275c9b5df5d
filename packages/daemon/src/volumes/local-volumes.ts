// The files of the local driver's volumes: `<root>/NAME/_data`, which is a plain directory, or what is mounted there while somebody
// uses it (what the volume's options name, or the image file of one with a size). Who that is, is kept in memory and learnt anew from the running containers after a restart.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { parseMountOptions } from '@berth/runtime/mount-options';
import { MNT_DETACH, MS, mount, umount } from '@berth/sys/mount';
import { exchange } from '@berth/sys/path';
import { assignProject, dropProject, enforcesProjects, makeProject } from '@berth/sys/project-quota';
import { directorySize } from '../state/disk.ts';
import { Lock } from '../state/lock.ts';
import { writeExt4Image } from './ext4-image.ts';
import { type LocalMount, localMountOf, shownOptions, sizeOf, withAddresses } from './local-options.ts';
import { type MountCall, mountNow, mountOnThread } from './mount-thread.ts';
import type { VolumeRecord } from './volumes.ts';

/** File systems whose mount has nobody to wait for. */
const IMMEDIATE = ['tmpfs', 'ramfs', 'none', 'bind'];

const GONE = '.gone-';

interface Holders {
  readonly ids: Set<string>;
  readonly lock: Lock;
}

export class LocalVolumes {
  readonly #root: string;
  readonly #holders = new Map<string, Holders>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o701 });
  }

  directory(name: string): string {
    return join(this.#root, name);
  }

  /** Where the files are, once mount() has resolved. */
  data(name: string): string {
    return join(this.#root, name, '_data');
  }

  /** Makes its directory, and says how it is kept to its size. */
  make({ name, options }: VolumeRecord): VolumeRecord['limit'] {
    const data = this.data(name);
    mkdirSync(data, { recursive: true, mode: 0o755 });
    const bytes = sizeOf(options ?? {});
    if (bytes === undefined) return undefined;
    if (enforcesProjects(data)) {
      const project = makeProject(data, bytes);
      assignProject(data, project);
      return { project };
    }
    // What a crash left half-made is not taken for a file system.
    const image = this.#image(name);
    rmSync(`${image}.new`, { force: true });
    writeExt4Image(`${image}.new`, bytes);
    renameSync(`${image}.new`, image);
    return 'image';
  }

  delete({ name, limit }: VolumeRecord): void {
    if (typeof limit === 'object') dropProject(this.#root, limit.project);
    rmSync(this.directory(name), { recursive: true, force: true });
    this.#holders.delete(name);
  }

  /** Whether its files are in the data root: `_data`, or an image file beside it. */
  isOwn({ driver, options }: VolumeRecord): boolean {
    return driver === undefined && localMountOf(options ?? {}) === undefined;
  }

  isHeld(name: string): boolean {
    return (this.#holders.get(name)?.ids.size ?? 0) > 0;
  }

  /** Where a snapshot's files are. */
  snapshot(name: string, snapshot: string): string {
    return join(this.#root, name, '_snapshots', snapshot);
  }

  /** Done already when the old directory is gone. */
  rename(from: string, to: string): void {
    if (existsSync(this.directory(from))) renameSync(this.directory(from), this.directory(to));
    this.#holders.delete(from);
  }

  /**
   * Other files for a volume that nobody has mounted: `fill` gets an empty directory, which then takes the place of the old one.
   * Throws Conflict while somebody has it.
   */
  async replace(record: VolumeRecord, fill: (path: string) => Promise<void>): Promise<void> {
    const { name, limit } = record;
    const fresh = join(this.directory(name), '_new');
    const image = this.#image(name);
    const { lock, ids } = this.#holdersOf(name);
    await lock.run(async () => {
      const checkFree = () => {
        if (ids.size > 0)
          throw new EngineError('Conflict', `volume ${name} is in use by running containers: stop them first`, { layer: 'daemon' });
      };
      checkFree();
      rmSync(fresh, { recursive: true, force: true });
      mkdirSync(fresh, { mode: 0o755 });
      try {
        if (limit === 'image') await this.#fillImage(record, fresh, fill);
        else {
          if (typeof limit === 'object') assignProject(fresh, limit.project);
          await fill(fresh);
        }
        checkFree();
        if (limit === 'image') renameSync(`${image}.new`, image);
        else changePlaces(fresh, this.data(name));
      } finally {
        rmSync(`${image}.new`, { force: true });
        deleteSoon(fresh);
      }
    });
  }

  async #fillImage({ name, options }: VolumeRecord, place: string, fill: (path: string) => Promise<void>): Promise<void> {
    const image = `${this.#image(name)}.new`;
    rmSync(image, { force: true });
    writeExt4Image(image, sizeOf(options ?? {}) ?? 0);
    await mountOnThread({ source: image, target: place, type: 'ext4', flags: 0, data: 'discard', loop: true });
    try {
      await fill(place);
    } finally {
      umount(place);
    }
  }

  /** Bytes of its files; of an image that nobody has mounted, what it takes on disk. */
  size({ name, limit }: VolumeRecord): number {
    if (limit !== 'image' || mountedBelow(this.#root).has(this.data(name))) return directorySize(this.data(name));
    return (statSync(this.#image(name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }

  /** Whether its files are elsewhere until somebody mounts it. */
  needsMount({ options, limit }: VolumeRecord): boolean {
    return limit === 'image' || localMountOf(options ?? {}) !== undefined;
  }

  /** Its files, for `holder` until unmount(). */
  async mount(record: VolumeRecord, holder: string): Promise<string> {
    const path = this.data(record.name);
    const holders = this.#holdersOf(record.name);
    await holders.lock.run(async () => {
      if (this.needsMount(record) && holders.ids.size === 0 && !mountedBelow(this.#root).has(path)) await this.#mount(record, path);
      holders.ids.add(holder);
    });
    return path;
  }

  /** Of a plain directory. */
  release(name: string, holder: string): void {
    this.#holders.get(name)?.ids.delete(holder);
  }

  async unmount(record: VolumeRecord, holder: string): Promise<void> {
    const holders = this.#holdersOf(record.name);
    await holders.lock.run(() => {
      if (holders.ids.delete(holder) && holders.ids.size === 0 && this.needsMount(record)) umount(this.data(record.name), MNT_DETACH);
    });
  }

  /** After a restart: what running containers hold stays mounted, what a crash left does not. */
  recover(records: readonly VolumeRecord[], runningUsersOf: (name: string) => readonly string[]): void {
    const held = new Set<string>();
    const own = records.filter(({ driver }) => !driver);
    for (const { name } of own) {
      for (const id of runningUsersOf(name)) this.#holdersOf(name).ids.add(id);
      if (this.isHeld(name)) held.add(this.data(name));
    }
    for (const path of mountedBelow(this.#root)) if (!held.has(path)) umount(path, MNT_DETACH);
    for (const record of own) this.#removeLeftovers(record);
  }

  /** What replace() and snapshots left when they were killed. */
  #removeLeftovers({ name, snapshots = [] }: VolumeRecord): void {
    const [fresh, old, data] = [join(this.directory(name), '_new'), join(this.directory(name), '_old'), this.data(name)];
    if (!existsSync(data) && existsSync(old)) renameSync(old, data);
    for (const path of [fresh, old]) if (existsSync(path)) deleteSoon(path);
    rmSync(`${this.#image(name)}.new`, { force: true });
    for (const left of readdirSync(this.directory(name))) if (left.startsWith(GONE)) deleteSoon(join(this.directory(name), left));
    const directory = join(this.directory(name), '_snapshots');
    for (const left of existsSync(directory) ? readdirSync(directory) : []) {
      if (!snapshots.some(({ Name }) => Name === left)) deleteSoon(join(directory, left));
    }
  }

  #image(name: string): string {
    return join(this.#root, name, 'image.ext4');
  }

  async #mount(record: VolumeRecord, path: string): Promise<void> {
    if (record.limit === 'image') {
      // What is deleted in it gives its room back to the disk.
      await mountOnThread({ source: this.#image(record.name), target: path, type: 'ext4', flags: 0, data: 'discard', loop: true });
      return;
    }
    const asked = localMountOf(record.options ?? {}) as LocalMount;
    const { type, device, options } = await withAddresses(asked);
    const { flags, bind, recursive, propagation, data } = parseMountOptions(options.split(','), type);
    const call: MountCall = {
      source: device,
      target: path,
      type,
      flags: flags | (bind ? MS.BIND : 0) | (recursive ? MS.REC : 0),
      data,
    };
    try {
      if (bind || IMMEDIATE.includes(type)) mountNow(call);
      else await mountOnThread(call);
      for (const change of propagation) mount(null, path, null, change);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      const details = [...(call.flags ? [`flags: 0x${call.flags.toString(16)}`] : []), ...(data ? [`data: ${shownOptions(data)}`] : [])];
      const shown = [`mount ${device}:${path}`, ...details].join(', ');
      const why = error.message.slice(error.message.lastIndexOf(': ') + 2);
      throw new EngineError(error.kind, `failed to mount local volume: ${shown}: ${why}`, { layer: 'daemon', cause: error });
    }
  }

  #holdersOf(name: string): Holders {
    const known = this.#holders.get(name);
    if (known) return known;
    const holders = { ids: new Set<string>(), lock: new Lock() };
    this.#holders.set(name, holders);
    return holders;
  }
}

/** Where the file system cannot exchange two names, a crash between the steps is repaired by the next start. */
function changePlaces(fresh: string, data: string): void {
  if (exchange(fresh, data)) return;
  const old = join(data, '..', '_old');
  rmSync(old, { recursive: true, force: true });
  renameSync(data, old);
  renameSync(fresh, data);
  deleteSoon(old);
}

/** In the background, under a name that nobody takes for anything; what a crash leaves of it goes at the next start. */
export function deleteSoon(path: string): void {
  const doomed = join(path, '..', `${GONE}${randomUUID()}`);
  try {
    renameSync(path, doomed);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  void rm(doomed, { recursive: true, force: true }).catch(() => {});
}

/** Mount points below a directory, by the kernel's list (proc_pid_mountinfo(5)). */
function mountedBelow(root: string): Set<string> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
  return new Set(points.filter((point) => point.startsWith(`${root}/`)));
}
