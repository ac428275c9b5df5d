// The files of the local driver's volumes: `<root>/NAME/_data`, which is a plain directory, or what is mounted there while somebody
// uses it (the volume's own options). Who that is, is kept in memory and learnt anew from the running containers after a restart.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { parseMountOptions } from '@berth/runtime/mount-options';
import { MNT_DETACH, MS, mount, umount } from '@berth/sys/mount';
import { Lock } from '../state/lock.ts';
import { type LocalMount, localMountOf, shownOptions, withAddresses } from './local-options.ts';
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

  make(record: VolumeRecord): void {
    mkdirSync(this.data(record.name), { recursive: true, mode: 0o755 });
  }

  delete(name: string): void {
    rmSync(this.directory(name), { recursive: true, force: true });
    this.#holders.delete(name);
  }

  /** Whether its files are elsewhere until somebody mounts it. */
  needsMount(record: VolumeRecord): boolean {
    return localMountOf(record.options ?? {}) !== undefined;
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

  async #mount(record: VolumeRecord, path: string): Promise<void> {
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
