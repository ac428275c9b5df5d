// Anonymous files that can be sealed (memfd_create(2), fcntl(2) F_ADD_SEALS): nobody, whatever their privileges, can write to one
// again. Programs that containers can see as /proc/PID/exe are run from such a copy (CVE-2019-5736).
import { closeSync, openSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { bind, check } from './libc.ts';

const memfdCreate = bind('int memfd_create(const char*, unsigned int)');
const fcntl = bind('int fcntl(int, int, int)');

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE. */
const ALL_SEALS = 1 | 2 | 4 | 8;

/** An empty file in memory, close-on-exec: what a child may write without anybody reading it meanwhile. */
export function anonymousFile(name: string): number {
  return check(memfdCreate(name, MFD_CLOEXEC), 'memfd_create', name);
}

/** Whether the file is such a copy. */
export function isSealedFile(path: string): boolean {
  const fd = openSync(path, 'r');
  const seals = fcntl(fd, F_GET_SEALS, 0);
  closeSync(fd);
  return seals >= 0 && (seals & ALL_SEALS) === ALL_SEALS;
}

/** A sealed copy of a file in memory: its descriptor, and a path under which this process (and a child it execs) opens it. */
export class SealedFile implements Disposable {
  readonly fd: number;
  readonly path: string;

  private constructor(fd: number) {
    this.fd = fd;
    this.path = `/proc/self/fd/${fd}`;
  }

  static async copyOf(source: string, name: string): Promise<SealedFile> {
    const fd = check(memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create', name);
    const file = new SealedFile(fd);
    try {
      await copyFile(source, file.path);
      check(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 'fcntl F_ADD_SEALS', name);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
    return file;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
