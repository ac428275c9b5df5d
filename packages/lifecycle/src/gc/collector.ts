// The garbage collector: deletes content, snapshots and old ingests that no image, container, lease or root label leads to. Marking and
// forgetting happen in one go of the event loop, so that nothing can be made or referred to in between; what takes time, deleting files,
// comes after. Whoever makes something that nothing refers to yet, a pull or a build, holds a lease.
import type { Database } from 'better-sqlite3';
import type { FileContent } from '../content/file-content.ts';
import { EXPIRE_LABEL, type LeaseStore } from '../leases/lease-store.ts';
import type { Labels } from '../metadata/labels.ts';
import type { DirectorySnapshots } from '../snapshots/directory-snapshotter.ts';
import type { SnapshotInfo } from '../snapshots/snapshotter.ts';
import { contentNode, ingestNode, type Node, ROOT_LABEL, reachable, referencesIn, snapshotNode } from './references.ts';

/** Milliseconds that an ingest without a lease is kept to be resumed. */
const INGEST_AGE = 24 * 60 * 60 * 1000;
/** A lease with this label keeps what it names, and not what that refers to. */
const FLAT_LABEL = 'containerd.io/gc.flat';

export interface Collected {
  content: number;
  snapshots: number;
  ingests: number;
  leases: number;
}

export interface CollectorOptions {
  database: Database;
  content: FileContent;
  snapshotters: ReadonlyMap<string, DirectorySnapshots>;
  leases: LeaseStore;
}

interface Graph {
  roots: Node[];
  /** Kept, without what they refer to. */
  flat: Set<Node>;
  references: Map<Node, readonly Node[]>;
  /** Snapshots and the one below each. */
  parents: Map<Node, readonly Node[]>;
}

export class GarbageCollector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /**
   * Forgets what is garbage in every namespace; files of snapshots are deleted behind the caller's back. What cannot be removed is left
   * to the next time. Nothing is awaited before all is forgotten.
   */
  async collect(now = Date.now()): Promise<Collected> {
    const collected: Collected = { content: 0, snapshots: 0, ingests: 0, leases: this.#expireLeases(now) };
    const removals: Promise<void>[] = [];
    for (const namespace of this.#namespaces()) this.#collectIn(namespace, now, collected, removals);
    const failed = (await Promise.allSettled(removals)).filter((removal) => removal.status === 'rejected').length;
    return { ...collected, snapshots: collected.snapshots - failed };
  }

  #expireLeases(now: number): number {
    const expired = this.#options.leases.listAll().filter((lease) => isExpired(lease.labels, now));
    for (const { namespace, id } of expired) this.#options.leases.delete(namespace, id);
    return expired.length;
  }

  #namespaces(): string[] {
    const tables = ['content', 'snapshot', 'image', 'container', 'lease'];
    const query = tables.map((table) => `SELECT namespace FROM ${table}`).join(' UNION ');
    return this.#options.database
      .prepare<[], { namespace: string }>(query)
      .all()
      .map((row) => row.namespace);
  }

  #collectIn(namespace: string, now: number, collected: Collected, removals: Promise<void>[]): void {
    const content = this.#options.content.in({ namespace });
    const blobs = content.list();
    const snapshots = [...this.#options.snapshotters.values()].map((snapshotter) => ({
      snapshotter: snapshotter.in({ namespace }),
      infos: snapshotter.in({ namespace }).list(),
    }));
    const graph = this.#roots(namespace, now);
    for (const { digest, labels } of blobs) note(graph, contentNode(digest), labels);
    for (const { snapshotter, infos } of snapshots) {
      for (const { name, parent, labels } of infos) {
        const node = snapshotNode(snapshotter.name, name);
        const below = parent === undefined ? [] : [snapshotNode(snapshotter.name, parent)];
        graph.parents.set(node, below);
        note(graph, node, labels, below);
      }
    }
    const marked = reachable(graph.roots, graph.references);
    // A snapshot that a flat lease keeps cannot stand without those below it.
    const kept = reachable([...marked, ...graph.flat], graph.parents);
    for (const { digest } of blobs) {
      if (kept.has(contentNode(digest))) continue;
      content.delete(digest);
      collected.content++;
    }
    for (const { snapshotter, infos } of snapshots) {
      for (const name of childrenFirst(infos.filter((info) => !kept.has(snapshotNode(snapshotter.name, info.name))))) {
        removals.push(snapshotter.remove(name));
        collected.snapshots++;
      }
    }
    for (const { ref, updatedAt } of content.statuses()) {
      if (kept.has(ingestNode(ref)) || now - updatedAt.getTime() < INGEST_AGE || this.#options.content.isLocked(namespace, ref)) continue;
      content.abort(ref).catch(() => {});
      collected.ingests++;
    }
  }

  #roots(namespace: string, now: number): Graph {
    const graph: Graph = { roots: [], flat: new Set(), references: new Map(), parents: new Map() };
    const { database, leases } = this.#options;
    const images = database
      .prepare<[string], { target: string; labels: string }>('SELECT target, labels FROM image WHERE namespace = ?')
      .all(namespace);
    for (const { target, labels } of images) {
      const parsed = JSON.parse(labels) as Labels;
      if (isExpired(parsed, now)) continue;
      graph.roots.push(contentNode((JSON.parse(target) as { digest: string }).digest), ...referencesIn(parsed));
    }
    const containers = database
      .prepare<[string], { snapshotter: string; snapshot_key: string; labels: string }>(
        'SELECT snapshotter, snapshot_key, labels FROM container WHERE namespace = ?',
      )
      .all(namespace);
    for (const { snapshotter, snapshot_key, labels } of containers) {
      if (snapshotter && snapshot_key) graph.roots.push(snapshotNode(snapshotter, snapshot_key));
      graph.roots.push(...referencesIn(JSON.parse(labels) as Labels));
    }
    for (const { id, labels } of leases.list(namespace)) {
      // A resource's type and id make the node's name: content/…, ingests/…, snapshots/<snapshotter>/….
      const nodes = leases.resources(namespace, id).map((resource) => `${resource.type}/${resource.id}`);
      if (FLAT_LABEL in labels) for (const node of nodes) graph.flat.add(node);
      else graph.roots.push(...nodes);
      graph.roots.push(...referencesIn(labels));
    }
    return graph;
  }
}

function note(graph: Graph, node: Node, labels: Labels, more: readonly Node[] = []): void {
  graph.references.set(node, [...referencesIn(labels), ...more]);
  if (ROOT_LABEL in labels) graph.roots.push(node);
}

function isExpired(labels: Labels, now: number): boolean {
  const text = labels[EXPIRE_LABEL];
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return time <= now;
}

/** Names in an order in which each can be removed. */
function* childrenFirst(infos: readonly SnapshotInfo[]): Generator<string> {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const children = new Map<string, number>();
  for (const { parent } of infos) if (parent !== undefined) children.set(parent, (children.get(parent) ?? 0) + 1);
  const leaves = infos.filter((info) => !children.has(info.name));
  for (let leaf = leaves.pop(); leaf !== undefined; leaf = leaves.pop()) {
    yield leaf.name;
    const parent = leaf.parent === undefined ? undefined : byName.get(leaf.parent);
    if (!parent) continue;
    const left = (children.get(parent.name) ?? 0) - 1;
    children.set(parent.name, left);
    if (left === 0) leaves.push(parent);
  }
}
