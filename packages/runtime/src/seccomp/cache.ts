// Compiled filters by the content of their profile: in memory, and in a directory that outlives the process. Nearly every
// container of a host has one of very few profiles.
//
// Used by the runtime's parent process. A file is `sha256(rest) | flags u32 | notify u8 | program`; one that does not fit its
// digest is compiled again. The directory has to belong to the runtime's user alone: who writes there chooses filters.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';
import { compileFilter, type Filter } from './filter.ts';

/** Part of every key: raise it when the compiler's output for a profile changes. */
const COMPILER_VERSION = 2;
const DIGEST_SIZE = 32;
const HEADER_SIZE = DIGEST_SIZE + 5;

export class FilterCache {
  readonly #filters = new Map<string, Filter>();
  readonly #directory: string | undefined;

  /** Without a directory filters are kept in memory only. */
  constructor(directory?: string) {
    this.#directory = directory;
  }

  get(seccomp: LinuxSeccomp): Filter {
    const key = process
      .getBuiltinModule('node:crypto')
      .createHash('sha256')
      .update(`${COMPILER_VERSION} ${process.arch} ${JSON.stringify(seccomp)}`)
      .digest('hex');
    let filter = this.#filters.get(key) ?? this.#read(key);
    if (filter === undefined) {
      filter = compileFilter(seccomp);
      this.#write(key, filter);
    }
    this.#filters.set(key, filter);
    return filter;
  }

  #read(key: string): Filter | undefined {
    if (this.#directory === undefined) return undefined;
    let file: Buffer;
    try {
      file = readFileSync(`${this.#directory}/${key}`);
    } catch {
      return undefined;
    }
    const body = file.subarray(DIGEST_SIZE);
    if (file.length <= HEADER_SIZE || !digest(body).equals(file.subarray(0, DIGEST_SIZE))) return undefined;
    return { flags: body.readUInt32LE(0), notify: body.readUInt8(4) === 1, program: new Uint8Array(body.subarray(5)) };
  }

  /** A cache that cannot be written costs time, nothing else. */
  #write(key: string, filter: Filter): void {
    if (this.#directory === undefined) return;
    const body = Buffer.alloc(5 + filter.program.length);
    body.writeUInt32LE(filter.flags, 0);
    body.writeUInt8(filter.notify ? 1 : 0, 4);
    body.set(filter.program, 5);
    const temporary = `${this.#directory}/.${key}.${process.pid}`;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      writeFileSync(temporary, Buffer.concat([digest(body), body]), { mode: 0o600 });
      renameSync(temporary, `${this.#directory}/${key}`);
    } catch {
      removeQuietly(temporary);
    }
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

function digest(bytes: Uint8Array): Buffer {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest();
}
