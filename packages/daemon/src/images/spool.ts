// Files on the data root's file system that hold what a client sends, until the lifecycle service takes them into its content store by
// renaming them, or has read them. Those of a daemon that was killed go with its next start.
import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';

export class Spool {
  readonly #directory: string;
  #made = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Before the first file: deletes those of a former daemon. */
  clear(): void {
    rmSync(this.#directory, { recursive: true, force: true });
    mkdirSync(this.#directory, { mode: 0o700 });
  }

  async file(): Promise<SpoolFile> {
    const path = join(this.#directory, String(++this.#made));
    return new SpoolFile(path, await open(path, 'wx', 0o600));
  }
}

/** Disposing of it deletes the file, if it is still there. */
export class SpoolFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Appends. The chunk may be used again when the next write, or `close`, has resolved. */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#writing;
    this.#writing = this.#append(chunk);
    // Its failure is told by the next call.
    this.#writing.catch(() => {});
  }

  async #append(chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length; ) done += (await this.#handle.write(chunk, done)).bytesWritten;
    } catch (cause) {
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      throw new EngineError(
        'Internal',
        `cannot keep what the client sends: ${full ? 'no space left on device' : (cause as Error).message}`,
        {
          layer: 'daemon',
          cause,
        },
      );
    }
  }

  /** Ends the writing. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#handle.close();
    rmSync(this.path, { force: true });
  }
}
