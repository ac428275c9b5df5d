// The layer cache: which state an instruction led to from which state, with which files. An entry names what it needs; whether that
// still exists is for the backend to say.
//
// Used in the daemon. One file an entry, written whole and renamed, so that a crash leaves nothing half.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageState } from './backend.ts';
import { stateId } from './image-state.ts';

/** Part of every key: raise it when the same instruction would lead to something else. */
const VERSION = 2;

export interface CacheEntry {
  readonly state: ImageState;
  /** When it was made and when a build came by last; RFC 3339. */
  readonly created: string;
  readonly used: string;
  /** How many builds came by. */
  readonly uses: number;
}

export class BuildCache {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get(key: string): CacheEntry | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#directory, `${key}.json`), 'utf8')) as CacheEntry;
    } catch {
      return undefined;
    }
  }

  /** A build came to this state, whether by the cache or by work. */
  put(key: string, state: ImageState, now = new Date().toISOString()): void {
    const known = this.get(key);
    const entry: CacheEntry = { state, created: known?.created ?? now, used: now, uses: (known?.uses ?? 0) + 1 };
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = join(this.#directory, `.${key}.${process.pid}`);
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
    renameSync(temporary, join(this.#directory, `${key}.json`));
  }

  entries(): ({ key: string } & CacheEntry)[] {
    return this.#names().flatMap((name) => {
      const key = name.slice(0, -'.json'.length);
      const entry = this.get(key);
      return entry?.state ? [{ key, ...entry }] : [];
    });
  }

  forget(keys: Iterable<string>): void {
    for (const key of keys) rmSync(join(this.#directory, `${key}.json`), { force: true });
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory).filter((name) => name.endsWith('.json'));
    } catch {
      return [];
    }
  }
}

/** What an instruction does depends on the state before it and on its text, which has all variables filled in and the checksum of the files that it reads. */
export function cacheKey(before: ImageState, instruction: string): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, stateId(before), instruction]))
    .digest('hex');
}
