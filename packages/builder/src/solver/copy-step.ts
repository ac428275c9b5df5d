// COPY and ADD: what is copied where is decided first (the cache needs to know), and written afterwards.
//
// Runs in the daemon. Facts: the Dockerfile reference, "COPY" and "ADD"; wordings are dockerd's.
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { posix } from 'node:path';
import { IgnorePatterns } from '@berth/api/ignore-patterns';
import { EngineError } from '@berth/errdefs/engine-error';
import { copyOnThread } from '@berth/lifecycle/diff/copy-members';
import { baseOf, directoryOf } from '@berth/lifecycle/diff/member-name';
import type { CopiedMember } from '@berth/lifecycle/diff/members-job';
import { joinPaths, type Owner, TreeWriter } from '@berth/lifecycle/diff/tree-writer';
import { Turn } from '@berth/lifecycle/diff/turn';
import type { UnpackPool } from '@berth/lifecycle/diff/unpack-pool';
import { toBytes, toText } from '@berth/oci/tar/entry';
import { archiveKind, extractArchive, SNIFF_SIZE } from '../context/extract.ts';
import { checksum, DirectoryTree, type FileTree } from '../context/file-tree.ts';
import type { CopyInstruction } from '../dockerfile/instruction.ts';
import { expandText, expandWord, type Lookup } from '../dockerfile/words.ts';
import { modeOf, ownerOf } from './accounts.ts';
import { download } from './download.ts';

export interface CopyScope {
  lookup: Lookup;
  escapeToken: string;
  /** Where the files come from: the context, or the stage or image of --from. */
  source: FileTree;
  /** The stage's files before this instruction. */
  target: FileTree;
  workingDirectory: string;
  threads: UnpackPool;
  signal: AbortSignal;
}

interface Source {
  tree: FileTree;
  path: string;
  kind: 'file' | 'directory' | 'archive';
  /** What it is called in a directory. */
  name: string;
}

/** Disposing removes what was downloaded. */
export interface CopyPlan extends Disposable {
  /** For history and cache: the kind and checksum of the files, and the place. */
  text: string;
  /** Writes below a directory descriptor. */
  write(root: number): Promise<void>;
}

export async function planCopy(instruction: CopyInstruction, scope: CopyScope): Promise<CopyPlan> {
  using cleanup = new DisposableStack();
  const word = (text: string) => expandWord(text, scope.lookup, scope.escapeToken);
  const { kind } = instruction;
  const destination = word(instruction.destination);
  const exclude = instruction.exclude.length > 0 ? new IgnorePatterns(instruction.exclude.map(word)) : undefined;
  const owner = instruction.chown === undefined ? undefined : ownerOf(word(instruction.chown), scope.target);
  const mode = instruction.chmod === undefined ? undefined : modeOf(word(instruction.chmod));

  const sources: Source[] = [];
  for (const text of instruction.sources) {
    const heredoc = /^\d*<<-?["']?(\w+)["']?$/.exec(text);
    if (heredoc) {
      const document = instruction.heredocs.find(({ name }) => name === heredoc[1]);
      if (document)
        sources.push(
          writtenFile(
            cleanup,
            document.name,
            document.literal ? document.text : expandText(document.text, scope.lookup, scope.escapeToken),
          ),
        );
    } else if (kind === 'ADD' && /^https?:\/\//.test(word(text))) {
      sources.push(await downloaded(cleanup, word(text), destination, instruction.checksum, scope.signal));
    } else {
      sources.push(...localSources(instruction, word(text), scope.source));
    }
  }
  if (sources.length === 0) throw invalid(`${kind} failed: no source files were specified`);
  const intoDirectory = /(^|\/)\.?$/.test(destination);
  if (sources.length > 1 && !intoDirectory) {
    throw invalid(`When using ${kind} with more than one source file, the destination must be a directory and end with a /`);
  }
  const place = placeOf(destination, scope);
  const owners = instruction.from !== undefined && owner === undefined;
  const sums: string[] = [];
  for (const source of sources) sums.push(await checksum(source.tree, source.tree.walk(source.path, exclude), { owners }));
  const [first] = sources;
  const sum =
    sources.length > 1
      ? `multi:${createHash('sha256').update(sums.join(',')).digest('hex')}`
      : `${first?.kind === 'directory' ? 'dir' : 'file'}:${sums[0]}`;
  const options = [owner && `--chown=${owner.uid}:${owner.gid}`, mode === undefined ? undefined : `--chmod=${mode.toString(8)}`].filter(
    Boolean,
  );
  const resources = cleanup.move();
  return {
    text: `${[kind, ...options, sum].join(' ')} in ${posix.join('/', toText(place))}${intoDirectory && place !== '' ? '/' : ''} `,
    write: (root) => writeSources(root, sources, { ...scope, place, intoDirectory, owner, keepOwners: owners, mode, exclude }),
    [Symbol.dispose]: () => resources.dispose(),
  };
}

function localSources({ kind, from }: CopyInstruction, text: string, tree: FileTree): Source[] {
  const clean = posix.normalize(text.replace(/^\/+/, '') || '.');
  // In an image `..` stops at the root, in a context it would be the client's disk.
  if (from === undefined && (clean === '..' || clean.startsWith('../')))
    throw invalid(`${kind} failed: forbidden path outside the build context: ${text} ()`);
  const path = clean.replace(/^(\.\.\/)+/, '');
  const found = tree.find(path);
  if (found.length === 0) {
    if (/[*?[]/.test(path)) throw invalid(`${kind} failed: no source files were specified`);
    if (from !== undefined) throw notFound(`${kind} failed: stat ${path}: file does not exist`);
    throw notFound(`${kind} failed: file not found in build context or excluded by .dockerignore: stat ${path}: file does not exist`);
  }
  return found.map((each): Source => {
    const name = baseOf(each);
    if (tree.isDirectory(each)) return { tree, path: each, kind: 'directory', name };
    const archive = kind === 'ADD' && archiveKind(tree.readStart(each, SNIFF_SIZE)) !== undefined;
    return { tree, path: each, kind: archive ? 'archive' : 'file', name };
  });
}

/** Relative to the root, symbolic links resolved as far as they lead somewhere. */
function placeOf(destination: string, { workingDirectory, target }: CopyScope): string {
  const path = toBytes(posix.resolve('/', workingDirectory, destination)).slice(1);
  return target.resolve(path) ?? path;
}

interface Placement {
  place: string;
  intoDirectory: boolean;
  owner: Owner | undefined;
  /** From another stage or image, whose owners are meant. */
  keepOwners: boolean;
  mode: number | undefined;
  exclude: IgnorePatterns | undefined;
  target: FileTree;
  threads: UnpackPool;
  signal: AbortSignal;
}

const ROOT: Owner = { uid: 0, gid: 0 };

async function writeSources(root: number, sources: readonly Source[], placement: Placement): Promise<void> {
  const { place, intoDirectory, keepOwners, mode, target } = placement;
  const exists = target.stat(place) !== undefined;
  const isDirectory = target.isDirectory(place);
  for (const source of sources) {
    const toDirectory = intoDirectory || isDirectory || source.kind !== 'file';
    if (toDirectory && exists && !isDirectory) throw invalid(`cannot copy to non-directory: /${toText(place)}`);
    if (source.kind === 'archive') {
      const stream = createReadStream('', { fd: source.tree.open(source.path), highWaterMark: 1 << 18 });
      using made = new TreeWriter(root, { owner: placement.owner });
      made.directory(place);
      await extractArchive(placement.threads, stream, root, { base: place, owner: placement.owner, mode });
      continue;
    }
    const owner = placement.owner ?? (keepOwners ? undefined : ROOT);
    const options = { base: toDirectory ? place : directoryOf(place), owner, mode };
    const job = { source: source.tree.fd, root, options, directory: source.kind === 'directory' ? place : undefined };
    const members = membersOf(source, toDirectory ? source.name : baseOf(place), placement.exclude);
    await copyOnThread(placement.threads, job, members, placement.signal);
  }
}

async function* membersOf(source: Source, fileName: string, exclude: IgnorePatterns | undefined): AsyncGenerator<CopiedMember> {
  const twins = new Map<string, string>();
  const turn = new Turn();
  for (const { path, entry, inode } of source.tree.walk(source.path, exclude)) {
    if (turn.over) await turn.next();
    const name = source.kind === 'file' ? fileName : entry.name;
    const twin = inode === '' ? undefined : twins.get(inode);
    if (twin !== undefined) {
      yield { path, entry: { ...entry, type: 'hardlink', name, linkName: twin, size: 0 } };
      continue;
    }
    if (inode !== '') twins.set(inode, name);
    yield { path, entry: { ...entry, name } };
  }
}

function temporaryDirectory(cleanup: DisposableStack): string {
  const directory = mkdtempSync(posix.join(tmpdir(), 'berth-add-'));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function writtenFile(cleanup: DisposableStack, name: string, text: string): Source {
  const directory = temporaryDirectory(cleanup);
  writeFileSync(joinPaths(directory, name), text, { mode: 0o644 });
  return { tree: cleanup.use(new DirectoryTree(directory)), path: toBytes(name), kind: 'file', name: toBytes(name) };
}

async function downloaded(
  cleanup: DisposableStack,
  url: string,
  destination: string,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<Source> {
  const name = posix.basename(decodeURIComponent(new URL(url).pathname));
  if (name === '' && destination.endsWith('/')) throw invalid(`cannot determine filename for source ${url}`);
  const directory = temporaryDirectory(cleanup);
  const file = posix.join(directory, 'download');
  const { modified } = await download(url, file, { checksum: wanted, signal });
  utimesSync(file, modified, modified);
  return { tree: cleanup.use(new DirectoryTree(directory)), path: 'download', kind: 'file', name: toBytes(name) };
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'builder' });
}

function notFound(message: string): EngineError {
  return new EngineError('NotFound', message, { layer: 'builder' });
}
