// Saving a running container: the images that criu writes, and beside them descriptors.json, the names of the streams that the container
// was given, for which a restore gives new ones. Runs in the caller.
//
// Whatever fails, criu lets the container's processes go on as they were.
import { closeSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { type Features, type Options, RequestType } from '@berth/rpc/gen/criu/rpc';
import type { Init } from '@berth/rpc/wire/message';
import type { SavedState } from '../state-file.ts';
import { type Answer, Criu, type CriuProcess } from './criu.ts';
import { mountsToName } from './external-mounts.ts';
import { withLog } from './log.ts';
import { type CheckpointOptions, commonOptions, directoriesOf, externalNamespaceKey } from './options.ts';

export const DESCRIPTORS = 'descriptors.json';
const LOG = 'dump.log';

/** `freezer`: the cgroup by which criu stops the processes, where there is one. */
export function checkpoint(state: SavedState, options: CheckpointOptions, freezer: string | undefined): void {
  const directories = directoriesOf(options);
  const request = checkpointRequest(state, options, freezer);
  if (options.preDump) requireFeature(options, directories, 'memTrack', 'MemTrack');
  if (options.lazyPages) requireFeature(options, directories, 'lazyPages', 'LazyPages');
  if (!options.preDump) writeFileSync(join(options.imagePath, DESCRIPTORS), JSON.stringify(state.streams ?? []), { mode: 0o600 });
  using criu = Criu.start({ program: options.criu, directories });
  try {
    const type = options.preDump ? RequestType.PRE_DUMP : RequestType.DUMP;
    for (let answer = criu.ask({ type, opts: request }); answer.type === RequestType.NOTIFY; answer = criu.acknowledge()) {
      noticed(answer, options);
    }
  } catch (error) {
    throw withLog(error, directories.work, LOG);
  }
}

function checkpointRequest(state: SavedState, options: CheckpointOptions, freezer: string | undefined): Init<Options> {
  const { spec, bundle, rootfs, pid } = state;
  if (options.parentPath) checkParent(options.imagePath, options.parentPath);
  return {
    ...commonOptions(options, spec, LOG),
    pid,
    root: rootfs,
    leaveRunning: options.leaveRunning ?? false,
    tcpSkipInFlight: options.tcpSkipInFlight ?? false,
    linkRemap: options.linkRemap ?? false,
    extMasters: true,
    ...(freezer === undefined ? {} : { freezeCgroup: freezer }),
    ...(options.pageServer ? { ps: options.pageServer } : {}),
    ...(options.parentPath ? { parentImg: options.parentPath, trackMem: true } : {}),
    external: externalNamespaces(state),
    extMnt: options.preDump ? [] : mountsToName(spec, state.cgroup, bundle, pid),
  };
}

function checkParent(imagePath: string, parentPath: string): void {
  if (isAbsolute(parentPath)) throw new EngineError('InvalidArgument', '--parent-path must be relative', { layer: 'runtime' });
  const path = join(imagePath, parentPath);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new EngineError('InvalidArgument', `invalid --parent-path: ${path} is not a directory`, { layer: 'runtime' });
}

/** Networks and pid namespaces that were there before the container must be there again at its restore. */
function externalNamespaces({ spec }: SavedState): string[] {
  return (['net', 'pid'] as const).flatMap((name) => {
    const type = name === 'net' ? 'network' : name;
    const path = spec.linux?.namespaces?.find((namespace) => namespace.type === type)?.path;
    return path ? [`${name}[${statSync(path).ino}]:${externalNamespaceKey(name)}`] : [];
  });
}

function noticed({ notify, fds }: Answer, { statusFd }: CheckpointOptions): void {
  for (const fd of fds) closeSync(fd);
  if (notify?.script !== 'status-ready' || statusFd === undefined) return;
  writeSync(statusFd, '\0');
  closeSync(statusFd);
}

/** Asked of a criu of its own, as it ends after the answer. */
function requireFeature(options: CheckpointOptions, directories: CriuProcess['directories'], feature: keyof Features, name: string): void {
  using criu = Criu.start({ program: options.criu, directories });
  const { features } = criu.ask({ type: RequestType.FEATURE_CHECK, features: { [feature]: true } });
  if (!features?.[feature]) throw new EngineError('FailedPrecondition', `CRIU is missing features: [${name}]`, { layer: 'runtime' });
}
