// Snapshots: the filesystem states that image layers and containers are made of (containerd's core/snapshots, gRPC
// containerd.services.snapshots.v1). A snapshotter hands out *mounts*; whoever wants to see the files performs them.
//
// States and how they follow each other:
//
//     prepare(key, parent) ──> active ──commit(name, key)──> committed ──> parent of others
//     view(key, parent)    ──> view (read-only; never committed)
//
//  - `parent` is the name of a committed snapshot, or undefined for an empty filesystem.
//  - An active snapshot is written to through its mounts. `commit` ends it: its key is gone, the name appears, and its files
//    never change again. Its mounts must not be written to afterwards.
//  - Keys and names share one set of names in a namespace.
//  - A snapshot is removed only when no other has it as its parent.
//  - `mounts` of one snapshot are the same at every call.
//
// Unpacking a layer: prepare(temporary key, parent's chain id), apply the layer to its mounts, commit(chain id, key).
// A container: prepare(container id, image's chain id), and remove(container id) in the end.
import type { Labels } from '../metadata/labels.ts';

export type SnapshotKind = 'active' | 'view' | 'committed';

/** A mount as containerd's API describes it: types.Mount. */
export interface Mount {
  /** `overlay`, `bind`, … */
  type: string;
  source: string;
  /** Where in the target; empty for the target itself. */
  target?: string;
  options: string[];
}

export interface SnapshotInfo {
  kind: SnapshotKind;
  /** The key of an active snapshot or view, the name of a committed one. */
  name: string;
  parent?: string;
  labels: Labels;
  createdAt: Date;
  updatedAt: Date;
}

/** What a snapshot takes beyond its parent. */
export interface Usage {
  inodes: number;
  /** Bytes on disk (allocated blocks), hard links counted once. */
  size: number;
}

/** One namespace's snapshots in one snapshotter. */
export interface Snapshotter {
  /** `overlayfs`, `native`. */
  readonly name: string;
  /** Whether `commit` takes a parent: then layers need not wait for those below them. */
  readonly rebases: boolean;
  /** AlreadyExists for a taken key; NotFound for an unknown parent; InvalidArgument for a parent that is not committed. */
  prepare(key: string, parent?: string, labels?: Labels): Promise<Mount[]>;
  view(key: string, parent?: string, labels?: Labels): Promise<Mount[]>;
  /** FailedPrecondition for a committed snapshot: it has no mounts of its own, make a view. */
  mounts(key: string): Promise<Mount[]>;
  /**
   * AlreadyExists for a taken name: two unpacks of one layer raced, and the key is still there to be removed.
   * With `parent`, an active snapshot that was prepared without one gets it now: layers are unpacked in parallel so.
   */
  commit(name: string, key: string, options?: { labels?: Labels; parent?: string }): Promise<void>;
  /** Takes the snapshot away at once; its files are deleted in the background. FailedPrecondition while it has children. */
  remove(name: string): Promise<void>;
  stat(name: string): SnapshotInfo;
  /** `stat` that adds the snapshot to the scope's lease as well: from now on the garbage collector leaves it alone. */
  retain(name: string): SnapshotInfo;
  /** Field paths as everywhere: `labels`, `labels.<key>`. */
  update(name: string, labels: Labels, fieldPaths?: readonly string[]): SnapshotInfo;
  list(filters?: readonly string[]): SnapshotInfo[];
  usage(name: string, options?: { signal?: AbortSignal }): Promise<Usage>;
  /** Deletes what no snapshot owns: leftovers of crashes and files that `remove` left to the background. */
  cleanup(): Promise<void>;
}
