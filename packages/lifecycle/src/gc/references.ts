// What refers to what, for the garbage collector (containerd's docs/garbage-collection.md). References are labels:
//   containerd.io/gc.ref.content[.<anything>] = <digest>
//   containerd.io/gc.ref.snapshot.<snapshotter>[/<anything>] = <name>
//   containerd.io/gc.root on content or a snapshot: kept whatever refers to it.
// A snapshot refers to its parent besides.
import type { Labels } from '../metadata/labels.ts';

export const ROOT_LABEL = 'containerd.io/gc.root';
export const CONTENT_LABEL = 'containerd.io/gc.ref.content';
export const SNAPSHOT_LABEL = 'containerd.io/gc.ref.snapshot';

/** An object of one namespace: `content/<digest>`, `ingests/<ref>` or `snapshots/<snapshotter>/<name>`. */
export type Node = string;

export const contentNode = (digest: string): Node => `content/${digest}`;
export const ingestNode = (ref: string): Node => `ingests/${ref}`;
export const snapshotNode = (snapshotter: string, name: string): Node => `snapshots/${snapshotter}/${name}`;

/** The objects that labels refer to. */
export function* referencesIn(labels: Labels): Generator<Node> {
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(`${SNAPSHOT_LABEL}.`)) {
      const snapshotter = key.slice(SNAPSHOT_LABEL.length + 1).split('/')[0];
      if (snapshotter) yield snapshotNode(snapshotter, value);
    } else if (key === CONTENT_LABEL || key.startsWith(`${CONTENT_LABEL}.`) || key.startsWith(`${CONTENT_LABEL}/`))
      yield contentNode(value);
  }
}

/** Everything that can be reached from the roots. */
export function reachable(roots: Iterable<Node>, references: ReadonlyMap<Node, readonly Node[]>): Set<Node> {
  const marked = new Set<Node>();
  const pending = [...roots];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (marked.has(node)) continue;
    marked.add(node);
    pending.push(...(references.get(node) ?? []));
  }
  return marked;
}
