// Writing so that a file is there whole or not at all, also after SIGKILL or a power cut: a temporary file on the same file system,
// fsync, rename, fsync of the directory (rename(2) is atomic; the directory's entry is durable only after its own fsync).
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export async function replaceFile(temporaryDirectory: string, path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(temporaryDirectory, { recursive: true });
  const temporary = join(temporaryDirectory, randomUUID());
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await makeDirectory(dirname(path));
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Gives the finished file `from` a second name. True when `to` was there already, which is left as it is. */
export async function linkFile(from: string, to: string): Promise<boolean> {
  await makeDirectory(dirname(to));
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return true;
    throw error;
  }
  await syncDirectory(dirname(to));
  return false;
}

/** True when there was one. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The names in a directory; none when there is no directory. */
export async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}

/** mkdir -p whose new entries are durable. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
