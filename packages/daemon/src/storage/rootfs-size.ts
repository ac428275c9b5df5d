// `--storage-opt size=`: the room that a container's own files may take, as a project quota on the directories of its snapshot. Refused
// where there is no such quota, in moby's words: a limit that is not kept would be worse than none.
import { statfsSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Mount } from '@berth/rpc/gen/containerd/types/mount';
import { assignProject, dropProject, enforcesProjects, makeProject } from '@berth/sys/project-quota';
import type { Config } from '../config/config.ts';
import { parseSize } from '../config/size.ts';
import { layersOf } from '../containers/rootfs.ts';

const XFS = 0x58465342;

type Options = Readonly<Record<string, string>> | null | undefined;

/** Throws InvalidArgument for an option that there is not, or that cannot be kept. */
export function checkStorageOptions(options: Options, config: Config): void {
  for (const key of Object.keys(options ?? {})) {
    if (key.toLowerCase() !== 'size') throw new EngineError('InvalidArgument', `Unknown option ${key}`, { layer: 'daemon' });
  }
  if (askedSize(options) !== undefined && !canLimit(config)) {
    throw new EngineError('InvalidArgument', "--storage-opt is supported only for overlay over xfs with 'pquota' mount option", {
      layer: 'daemon',
      details: { dataRoot: config.dataRoot },
    });
  }
}

/**
 * Whether the daemon can limit containers at all. Only xfs: overlayfs writes with the rights of who mounted it, and ext4 lets whoever has
 * CAP_SYS_RESOURCE pass a limit.
 */
export function canLimit(config: Config): boolean {
  return config.snapshotter === 'overlayfs' && isXfs(config.dataRoot) && enforcesProjects(config.dataRoot);
}

function isXfs(path: string): boolean {
  return statfsSync(path).type === XFS;
}

/** Limits what is written above the image; the project's number is the caller's to drop. Undefined without a limit. */
export function limitRootfs(mounts: readonly Mount[], options: Options, config: Config): number | undefined {
  const size = askedSize(options) ?? config.rootfsSize;
  const { upper, work } = layersOf(mounts);
  if (size === undefined || upper === undefined) return undefined;
  const project = makeProject(config.dataRoot, size);
  // Files are renamed from the one to the other: the kernel allows that within one project only.
  for (const directory of [upper, ...(work === undefined ? [] : [work])]) assignProject(directory, project);
  return project;
}

export function releaseLimit(project: number, config: Config): void {
  dropProject(config.dataRoot, project);
}

function askedSize(options: Options): number | undefined {
  const text = Object.entries(options ?? {}).find(([key]) => key.toLowerCase() === 'size')?.[1];
  const size = text === undefined ? 0 : parseSize(text);
  return size > 0 ? size : undefined;
}
