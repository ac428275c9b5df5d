// `berth cp`
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { humanSize } from '@berth/api/units';
import { readContainerArchive, statContainerPath, writeContainerArchive } from '@berth/client/containers/archive';
import { isKind } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { type CopyTarget, parseCopyArgument, planCopy, renamed, sourceBase } from '../copy/copy-plan.ts';
import { packFiles } from '../copy/pack-files.ts';
import { unpackFiles } from '../copy/unpack-files.ts';
import { ExitError } from '../exit.ts';
import { openInput } from '../input-file.ts';

/** Of a Go FileMode. */
const DIRECTORY = 2 ** 31;
const SYMLINK = 2 ** 27;
const has = (mode: number, bit: number) => Math.floor(mode / bit) % 2 === 1;

export const command: Command = {
  usage: 'cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tberth cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  description: 'Copy files/folders between a container and the local filesystem',
  flags: {
    archive: { type: 'boolean', alias: 'a', description: 'Archive mode (copy all uid/gid information)' },
    'follow-link': { type: 'boolean', alias: 'L', description: 'Always follow symbol link in SRC_PATH' },
    quiet: { type: 'boolean', alias: 'q', description: 'Suppress progress output during copy' },
  },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    const [from, to] = [parseCopyArgument(args.at(0)), parseCopyArgument(args.at(1))];
    if (from.path === '') throw new ExitError(1, 'source can not be empty');
    if (to.path === '') throw new ExitError(1, 'destination can not be empty');
    if (from.container !== undefined && to.container !== undefined) throw new ExitError(1, 'copying between containers is not supported');
    const options = { archive: args.boolean('archive'), followLink: args.boolean('follow-link') };
    const report = (bytes: number, where: string) => {
      const quiet = args.given('quiet') ? args.boolean('quiet') : !context.stderr.isTTY;
      if (!quiet) context.warn(`Successfully copied ${humanSize(bytes)} to ${where}`);
    };
    if (from.container !== undefined) {
      const bytes = await copyOut(context, from.container, from.path, to.path, options);
      if (to.path !== '-') report(bytes, resolve(to.path));
    } else if (to.container !== undefined) {
      const bytes = await copyIn(context, from.path, to.container, to.path, options);
      report(bytes, `${to.container}:${to.path}`);
    } else throw new ExitError(1, 'must specify at least one container source');
  },
};

interface CopyOptions {
  archive: boolean;
  followLink: boolean;
}

/** The size of the archive that was copied. */
async function copyOut(context: Context, container: string, source: string, destination: string, options: CopyOptions): Promise<number> {
  const target = destination === '-' ? undefined : localTarget(destination);
  const asked = sourceBase(source);
  let path = source;
  if (options.followLink) {
    const { mode, linkTarget } = await statContainerPath(context.engine, container, source);
    if (has(mode, SYMLINK)) path = linkTarget;
  }
  const { stat, archive } = await readContainerArchive(context.engine, container, path);
  if (!target) {
    if (context.stdout.isTTY) throw new ExitError(1, 'refusing to write an archive to a terminal: redirect the output');
    await pipeline(archive, context.stdout, { end: false });
    return 0;
  }
  const base = stat.name === '/' ? '' : stat.name;
  const isDirectory = has(stat.mode, DIRECTORY);
  // What was reached through a link keeps the link's name.
  const plan = planCopy({ isDirectory, base: path === source ? base : asked }, target);
  const counted = counter();
  archive.on('error', (error) => counted.stream.destroy(error as Error)).pipe(counted.stream);
  const rename = (name: string) => renamed(name, base, plan);
  await unpackFiles(counted.stream, plan.directory, { rename, owners: options.archive && process.getuid?.() === 0 });
  return counted.bytes();
}

async function copyIn(context: Context, source: string, container: string, destination: string, options: CopyOptions): Promise<number> {
  const target = await containerTarget(context, container, destination);
  const counted = counter();
  let directory = target.path;
  if (source === '-') {
    if (!target.isDirectory) throw new ExitError(1, `destination "${container}:${destination}" must be a directory`);
    openInput('-').pipe(counted.stream);
  } else {
    const follows = options.followLink || /\/\.?$/.test(source);
    const path = follows ? realpath(source) : resolve(source);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats) throw new ExitError(1, `lstat ${resolve(source)}: no such file or directory`);
    if (/\/\.?$/.test(source) && !stats.isDirectory()) throw new ExitError(1, 'not a directory');
    const base = /(^|\/)\.\.?$/.test(source) ? (sourceBase(source) === '.' ? '.' : basename(path)) : sourceBase(source);
    const plan = planCopy({ isDirectory: stats.isDirectory(), base: base === '' ? '.' : base }, target);
    directory = plan.directory;
    const archive = packFiles(path, plan.name);
    archive.on('error', (error) => counted.stream.destroy(error)).pipe(counted.stream);
  }
  await writeContainerArchive(context.engine, container, directory, counted.stream, {
    noOverwriteDirNonDir: true,
    copyUidGid: options.archive,
  });
  return counted.bytes();
}

/** A link at the end of the destination is followed, also when it leads to nothing yet. */
async function containerTarget(context: Context, container: string, path: string): Promise<CopyTarget> {
  const look = async (where: string) => {
    try {
      return await statContainerPath(context.engine, container, where);
    } catch (error) {
      // The container itself may be what is missing: the copy will say so.
      if (isKind(error, 'NotFound')) return undefined;
      throw error;
    }
  };
  let where = path.startsWith('/') ? path : `/${path}`;
  let stat = await look(where);
  if (stat && has(stat.mode, SYMLINK)) {
    where = stat.linkTarget;
    stat = await look(where);
  }
  return { path: where, exists: stat !== undefined, isDirectory: stat !== undefined && has(stat.mode, DIRECTORY) };
}

function localTarget(path: string): CopyTarget {
  const stats = statSync(path, { throwIfNoEntry: false });
  const whole = path.endsWith('/') ? `${resolve(path)}/` : resolve(path);
  if (!stats && !statSync(dirname(resolve(path)), { throwIfNoEntry: false })) {
    throw new ExitError(1, `invalid output path: directory "${dirname(resolve(path))}" does not exist`);
  }
  return {
    path: stats?.isDirectory() ? realpathSync(path) : whole,
    exists: stats !== undefined,
    isDirectory: stats?.isDirectory() ?? false,
  };
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    throw new ExitError(1, `lstat ${resolve(path)}: no such file or directory`);
  }
}

/** Lets a stream through and counts it. */
function counter(): { stream: Transform; bytes: () => number } {
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, bytes: () => bytes };
}
