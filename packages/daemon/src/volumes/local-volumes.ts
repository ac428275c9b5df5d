// The files of the local driver's volumes: `<root>/NAME/_data`, which is a plain directory, or what is mounted there while somebody
// uses it (what the volume's options name, or the image file of one with a size). Who that is, is kept in memory and learnt anew from the running containers after a restart.
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { parseMountOptions } from '@berth/runtime/mount-options';
import { MNT_DETACH, MS, mount, umount } from '@berth/sys/mount';
import { assignProject, dropProject, enforcesProjects, makeProject } from '@berth/sys/project-quota';
import { directorySize } from '../state/disk.ts';
import { Lock } from '../state/lock.ts';
import { writeExt4Image } from './ext4-image.ts';
import { type LocalMount, localMountOf, shownOptions, sizeOf, withAddresses } from './local-options.ts';
import { type MountCall, mountNow, mountOnThread } from './mount-thread.ts';
import type { VolumeRecord } from './volumes.ts';

/** File systems whose mount has nobody to wait for. */
const IMMEDIATE = ['tmpfs', 'ramfs', 'none', 'bind'];

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
    if (!this.needsMount(record)) return path;
    const holders = this.#holdersOf(record.name);
    await holders.lock.run(async () => {
      if (holders.ids.size === 0 && !mountedBelow(this.#root).has(path)) await this.#mount(record, path);
      holders.ids.add(holder);
    });
    return path;
  }

  async unmount(record: VolumeRecord, holder: string): Promise<void> {
    if (!this.needsMount(record)) return;
    const holders = this.#holdersOf(record.name);
    await holders.lock.run(() => {
      if (holders.ids.delete(holder) && holders.ids.size === 0) umount(this.data(record.name), MNT_DETACH);
    });
  }

  /** After a restart: what running containers hold stays mounted, what a crash left does not. */
  recover(records: readonly VolumeRecord[], runningUsersOf: (name: string) => readonly string[]): void {
    const held = new Set<string>();
    for (const record of records) {
      if (record.driver || !this.needsMount(record)) continue;
      const users = runningUsersOf(record.name);
      if (users.length === 0) continue;
      for (const id of users) this.#holdersOf(record.name).ids.add(id);
      held.add(this.data(record.name));
    }
    for (const path of mountedBelow(this.#root)) if (!held.has(path)) umount(path, MNT_DETACH);
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

/** Mount points below a directory, by the kernel's list (proc_pid_mountinfo(5)). */
export function mountedBelow(root: string): Set<string> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
  return new Set(points.filter((point) => point.startsWith(`${root}/`)));
}
