// The build context as the daemon wants it: a tar stream of the directory without what .dockerignore excludes, standard input as it
// is, or an address. A Dockerfile outside the context travels under a name of its own.
import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { IgnorePatterns } from '@berth/api/ignore-patterns';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Pack, pack as tarPack } from 'tar-stream';
import { openInput } from '../input-file.ts';

export interface BuildContext {
  stream?: NodeJS.ReadableStream;
  remote?: string;
  /** The Dockerfile's path inside the context. */
  dockerfile: string;
}

export async function buildContext(path: string, file: string | undefined): Promise<BuildContext> {
  if (/^(https?:\/\/|git:\/\/|git@|github\.com\/)/.test(path)) return { remote: path, dockerfile: file ?? 'Dockerfile' };
  if (path === '-') {
    if (file === '-') throw failure("invalid argument: can't use stdin for both build context and dockerfile");
    return fromStdin(file);
  }
  const root = directory(path);
  if (file === '-') return pack(root, generatedName(), await readAll(openInput('-')));
  const dockerfile = file === undefined ? join(root, 'Dockerfile') : resolve(file);
  const inside = relative(root, dockerfile);
  if (!existsSync(dockerfile))
    throw failure(
      `unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${dockerfile}: no such file or directory`,
    );
  if (inside.startsWith('..')) return pack(root, generatedName(), readFileSync(dockerfile));
  return pack(root, inside);
}

/** Standard input is a tar archive, or a Dockerfile on its own; the first bytes tell. */
async function fromStdin(file: string | undefined): Promise<BuildContext> {
  const input = openInput('-');
  const head = await firstChunk(input);
  input.unshift(head);
  if (looksLikeArchive(head)) return { stream: input, dockerfile: file ?? 'Dockerfile' };
  const archive = tarPack();
  archive.entry({ name: 'Dockerfile' }, await readAll(input));
  archive.finalize();
  return { stream: Readable.from(archive), dockerfile: 'Dockerfile' };
}

function looksLikeArchive(head: Buffer): boolean {
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  const bzip = head.subarray(0, 3).toString() === 'BZh';
  const xz = head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]));
  const zstd = head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528;
  return gzip || bzip || xz || zstd || head.subarray(257, 262).toString() === 'ustar';
}

function directory(path: string): string {
  try {
    const root = realpathSync(path);
    if (!statSync(root).isDirectory()) throw failure(`unable to prepare context: context must be a directory: ${path}`);
    return root;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw failure(`unable to prepare context: path "${path}" not found`, error);
  }
}

const generatedName = () => `.dockerfile.${randomBytes(10).toString('hex')}`;

function pack(root: string, dockerfile: string, contents?: Buffer): BuildContext {
  const ignore = readIgnorePatterns(root, dockerfile);
  const archive = tarPack();
  const fill = async () => {
    if (contents) await add(archive, { name: dockerfile, mode: 0o644 }, contents);
    await addDirectory(archive, root, '', ignore, new Set([dockerfile, '.dockerignore']));
    archive.finalize();
  };
  fill().catch((error) => archive.destroy(error as Error));
  return { stream: Readable.from(archive), dockerfile };
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` of the context. */
function readIgnorePatterns(root: string, dockerfile: string): IgnorePatterns {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    try {
      return IgnorePatterns.parse(readFileSync(join(root, name), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return new IgnorePatterns([]);
}

async function addDirectory(archive: Pack, root: string, path: string, ignore: IgnorePatterns, always: ReadonlySet<string>): Promise<void> {
  for (const entry of readdirSync(join(root, path), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = path === '' ? entry.name : `${path}/${entry.name}`;
    const full = join(root, name);
    const ignored = ignore.ignores(name) && !always.has(name);
    if (entry.isDirectory()) {
      if (!ignored) await add(archive, { ...header(full, name), type: 'directory' });
      // An exception may bring back something inside an ignored directory.
      if (!ignored || ignore.mayHoldExceptions(name)) await addDirectory(archive, root, name, ignore, always);
    } else if (!ignored) await addFile(archive, full, name);
  }
}

async function addFile(archive: Pack, full: string, name: string): Promise<void> {
  const stat = lstatSync(full);
  if (stat.isSymbolicLink()) return add(archive, { ...header(full, name), type: 'symlink', linkname: readlinkSync(full) });
  if (stat.isFIFO()) return add(archive, { ...header(full, name), type: 'fifo' });
  // Sockets and devices have no place in an image's context.
  if (!stat.isFile()) return undefined;
  const entry = archive.entry({ ...header(full, name), size: stat.size });
  await pipeline(createReadStream(full, stat.size > 0 ? { end: stat.size - 1 } : {}), entry).catch((error: NodeJS.ErrnoException) => {
    throw failure(
      `cannot read ${name} of the build context: ${error.code === 'EACCES' ? `no permission to read from '${name}'` : error.message}`,
      error,
    );
  });
}

function header(full: string, name: string) {
  const stat = lstatSync(full);
  // Owners are the image's affair: the context belongs to root, as docker's does.
  return { name, mode: stat.mode & 0o7777, mtime: stat.mtime, uid: 0, gid: 0 };
}

function add(archive: Pack, entry: Parameters<Pack['entry']>[0], contents: Buffer | string = ''): Promise<void> {
  return new Promise((resolved, reject) => {
    archive.entry(entry, contents as Buffer, (error) => (error ? reject(error) : resolved()));
  });
}

function firstChunk(stream: Readable): Promise<Buffer> {
  return new Promise((resolved, reject) => {
    stream.once('data', (chunk: Buffer) => {
      stream.pause();
      resolved(chunk);
    });
    stream.once('end', () => reject(failure('the build context on standard input is empty')));
    stream.once('error', reject);
  });
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function failure(message: string, cause?: unknown): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'cli', cause });
}
