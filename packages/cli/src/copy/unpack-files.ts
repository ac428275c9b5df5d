// Unpacks what came from a container into a local directory. The container is not trusted: no member gets outside of the directory, by
// its name or through a link that an earlier member made.
import {
  chmodSync,
  chownSync,
  createWriteStream,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { extract, type Header } from 'tar-stream';

export interface UnpackOptions {
  /** What a member's name becomes below the directory. */
  rename: (name: string) => string;
  /** Keep the owners of the archive instead of making the files the user's own. */
  owners: boolean;
}

export async function unpackFiles(archive: NodeJS.ReadableStream, directory: string, options: UnpackOptions): Promise<void> {
  const entries = extract();
  const done = pipeline(archive, entries);
  done.catch(() => {});
  const target = new Target(directory, options);
  for await (const member of entries) {
    await target.add(member.header, Readable.from(member, { objectMode: false }));
    member.resume();
  }
  await done;
  target.finish();
}

class Target {
  readonly #root: string;
  readonly #options: UnpackOptions;
  /** Directories that are known to be real ones. */
  readonly #real = new Set<string>();
  readonly #directories: { path: string; header: Header }[] = [];

  constructor(root: string, options: UnpackOptions) {
    this.#root = root;
    this.#options = options;
  }

  async add(header: Header, content: Readable): Promise<void> {
    const path = this.#path(header.name);
    if (path === this.#root) return;
    this.#makeReal(dirname(path));
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there && !(there.isDirectory() && header.type === 'directory')) {
      if (there.isDirectory()) throw refuse(`cannot overwrite directory "${path}" with non-directory "${header.name}"`);
      if (header.type === 'directory' && !there.isSymbolicLink()) {
        throw refuse(`cannot overwrite non-directory "${path}" with directory "${header.name}"`);
      }
      rmSync(path, { force: true });
    }
    await this.#make(path, header, content);
  }

  /** The times and modes of directories, which making their contents would have changed or been kept from. */
  finish(): void {
    for (const { path, header } of this.#directories.reverse()) this.#attributes(path, header);
  }

  async #make(path: string, header: Header, content: Readable): Promise<void> {
    switch (header.type) {
      case 'directory':
        if (!lstatSync(path, { throwIfNoEntry: false })) mkdirSync(path, { mode: 0o700 });
        this.#real.add(path);
        this.#directories.push({ path, header });
        return;
      case 'symlink':
        symlinkSync(header.linkname ?? '', path);
        if (this.#options.owners) lchownSync(path, header.uid ?? 0, header.gid ?? 0);
        return;
      case 'link': {
        const source = this.#path(header.linkname ?? '');
        this.#makeReal(dirname(source));
        linkSync(source, path);
        return;
      }
      case 'file':
      case 'contiguous-file':
        await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
        this.#attributes(path, header);
        return;
      default:
        // Devices and pipes are the container's; the user's files have no use for them.
        return;
    }
  }

  #attributes(path: string, { mode = 0o644, uid = 0, gid = 0, mtime = new Date(0) }: Header): void {
    if (this.#options.owners) chownSync(path, uid, gid);
    chmodSync(path, mode & 0o7777);
    utimesSync(path, mtime, mtime);
  }

  #path(name: string): string {
    const path = normalize(join('/', this.#options.rename(name)));
    if (normalize(name).split('/').includes('..')) throw refuse(`the archive's member "${name}" lies outside of the directory`);
    return join(this.#root, path).replace(/(?<=.)\/$/, '');
  }

  /** Makes sure of every directory between the root and `path`; a link there would lead the next member elsewhere. */
  #makeReal(path: string): void {
    if (path === this.#root || this.#real.has(path)) return;
    this.#makeReal(dirname(path));
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (!there) mkdirSync(path);
    else if (!there.isDirectory()) throw refuse(`the archive puts files through "${path}", which is no directory`);
    this.#real.add(path);
  }
}

function refuse(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli' });
}
