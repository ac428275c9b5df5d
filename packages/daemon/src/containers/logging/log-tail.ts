// Where the last N lines of a log begin: files are read backwards in blocks, so that the end of a huge log costs what the end costs.
import { type FileHandle, open } from 'node:fs/promises';

export interface LogPosition {
  /** Index into the files. */
  readonly file: number;
  readonly offset: number;
}

const BLOCK = 64 << 10;
const NEWLINE = 10;

/** The position of the first of the last `count` lines that count; `files` are oldest first. */
export async function tailStart(files: readonly string[], count: number, counts: (line: Buffer) => boolean): Promise<LogPosition> {
  let missing = count;
  for (let file = files.length - 1; file >= 0; file--) {
    const handle = await open(files[file] as string).catch(() => undefined);
    if (!handle) continue;
    try {
      const size = (await handle.stat()).size;
      if (missing === 0) return { file, offset: size };
      for await (const { line, offset } of linesBackwards(handle, size)) {
        if (!counts(line)) continue;
        if (--missing === 0) return { file, offset };
      }
    } finally {
      await handle.close();
    }
  }
  return { file: 0, offset: 0 };
}

/** Whole lines from the end on; what comes after the last newline is not one yet. */
async function* linesBackwards(handle: FileHandle, size: number): AsyncGenerator<{ line: Buffer; offset: number }> {
  let start = size;
  /** Bytes from `start` on that belong to a line whose beginning is not read yet. */
  let held = Buffer.alloc(0);
  let complete = false;
  while (start > 0) {
    const length = Math.min(BLOCK, start);
    const block = Buffer.allocUnsafe(length);
    await handle.read(block, 0, length, start - length);
    start -= length;
    held = Buffer.concat([block, held]);
    for (let newline = held.lastIndexOf(NEWLINE); newline >= 0; newline = held.lastIndexOf(NEWLINE)) {
      const line = held.subarray(newline + 1);
      if (complete) yield { line, offset: start + newline + 1 };
      complete = true;
      held = held.subarray(0, newline);
    }
  }
  if (complete && held.length > 0) yield { line: held, offset: 0 };
}
