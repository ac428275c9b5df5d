// Garbage collection by mark and sweep, beside a server that serves (see trash.ts for why that is safe). Marked is every blob that a
// manifest of a repository refers to. What was pushed or asked for within the grace period is kept, marked or not: a client uploads
// blobs first and the manifest that needs them last.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from '@berth/oci/digest';
import { entriesOf } from './durable.ts';
import { type ParsedManifest, parseManifest } from './manifest-document.ts';
import type { StoredManifest } from './repositories.ts';
import type { Store } from './store.ts';

/** Uploads rest longer than blobs: their client may come back. */
const UPLOAD_LIFE_MS = 24 * 3_600_000;
/** The kernel stamps files with a clock that may lag behind by a tick, 10 ms at most. */
const CLOCK_TICK_MS = 10;

export interface CollectOptions {
  dryRun: boolean;
  deleteUntagged: boolean;
  /** Milliseconds. */
  grace: number;
}

export interface Collected {
  manifests: number;
  blobs: number;
  bytes: number;
  uploads: number;
}

type Known = Map<Digest, { manifest: StoredManifest; parsed: ParsedManifest }>;

/** `say` gets a line for each manifest and blob that goes. */
export async function collect(store: Store, options: CollectOptions, say: (line: string) => void): Promise<Collected> {
  const cutoff = Date.now() - options.grace - CLOCK_TICK_MS;
  const collected: Collected = { manifests: 0, blobs: 0, bytes: 0, uploads: 0 };
  const marked = new Set<Digest>();
  const spare = new Map<string, Digest[]>();
  for (const name of await store.repositories.names()) {
    const known = await manifestsOf(store, name);
    if (options.deleteUntagged) await sweepManifests(store, name, known, { cutoff, dryRun: options.dryRun }, collected, say);
    const needed = new Set<Digest>();
    for (const [digest, { parsed }] of known) for (const blob of [digest, ...parsed.blobs.map((b) => b.digest)]) needed.add(blob);
    for (const digest of needed) marked.add(digest);
    spare.set(
      name,
      (await store.repositories.blobs(name)).filter((digest) => !needed.has(digest)),
    );
  }
  if (!options.dryRun)
    for (const [name, digests] of spare)
      for (const digest of digests) await store.trash.discard(store.layout.blobLink(name, digest), cutoff);
  await sweepBlobs(store, marked, { cutoff, dryRun: options.dryRun }, collected, say);
  collected.uploads = await store.expire(Date.now() - Math.max(options.grace, UPLOAD_LIFE_MS), options);
  return collected;
}

interface Sweep {
  cutoff: number;
  dryRun: boolean;
}

/** Removes from `known`, and from the store, what no tag leads to: by an index to its manifests, by a subject to its referrers. */
async function sweepManifests(
  store: Store,
  name: string,
  known: Known,
  { cutoff, dryRun }: Sweep,
  collected: Collected,
  say: (line: string) => void,
): Promise<void> {
  const { repositories, layout, trash } = store;
  const tagged: Digest[] = [];
  for (const tag of await repositories.tags(name)) {
    const digest = await repositories.tagged(name, tag);
    if (digest !== undefined) tagged.push(digest);
  }
  const fresh: Digest[] = [];
  for (const digest of known.keys()) if (await isFresh(layout.manifest(name, digest), cutoff)) fresh.push(digest);
  const kept = reachable(known, [...tagged, ...fresh]);
  for (const [digest, { manifest }] of [...known]) {
    if (kept.has(digest)) continue;
    if (!dryRun) {
      if (!(await trash.discard(layout.manifest(name, digest), cutoff))) continue;
      await repositories.forgetReferrer(name, manifest);
    }
    say(`${name}: manifest ${digest}`);
    known.delete(digest);
    collected.manifests++;
  }
}

function reachable(known: Known, roots: readonly Digest[]): Set<Digest> {
  const referrers = new Map<Digest, Digest[]>();
  for (const [digest, { parsed }] of known) {
    if (!parsed.subject) continue;
    const list = referrers.get(parsed.subject.digest) ?? [];
    list.push(digest);
    referrers.set(parsed.subject.digest, list);
  }
  const found = new Set<Digest>();
  const open = [...roots];
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (found.has(digest)) continue;
    found.add(digest);
    open.push(...(known.get(digest)?.parsed.manifests.map((child) => child.digest) ?? []), ...(referrers.get(digest) ?? []));
  }
  return found;
}

async function sweepBlobs(
  store: Store,
  marked: ReadonlySet<Digest>,
  { cutoff, dryRun }: Sweep,
  collected: Collected,
  say: (line: string) => void,
): Promise<void> {
  for await (const digest of storedBlobs(store)) {
    if (marked.has(digest)) continue;
    const path = store.layout.blob(digest);
    const facts = await stat(path).catch(() => undefined);
    if (facts === undefined || facts.mtimeMs >= cutoff) continue;
    if (!dryRun && !(await store.trash.discard(path, cutoff))) continue;
    say(`blob ${digest}`);
    collected.blobs++;
    collected.bytes += facts.size;
  }
}

async function* storedBlobs({ layout }: Store): AsyncGenerator<Digest> {
  for (const algorithm of await entriesOf(layout.blobs)) {
    for (const prefix of await entriesOf(join(layout.blobs, algorithm))) {
      for (const hex of await readdir(join(layout.blobs, algorithm, prefix))) {
        const digest = `${algorithm}:${hex}`;
        if (isDigest(digest)) yield digest;
      }
    }
  }
}

async function manifestsOf(store: Store, name: string): Promise<Known> {
  const known: Known = new Map();
  for (const digest of await store.repositories.manifests(name)) {
    const manifest = await store.repositories.manifest(name, digest);
    if (manifest) known.set(digest, { manifest, parsed: parseManifest(manifest) });
  }
  return known;
}

async function isFresh(path: string, cutoff: number): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  return facts !== undefined && facts.mtimeMs >= cutoff;
}
