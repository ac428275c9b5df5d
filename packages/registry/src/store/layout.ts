// Where everything lies below the registry's root (docs/registry.md, "Store"). Names reach a path only after the strict grammars of
// repositories, tags and digests, none of which admits `..`, an empty component or one that begins with an underscore.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from '@berth/oci/digest';
import { replaceFile } from './durable.ts';

const FORMAT = 'berth-registry';
const VERSION = 1;

export class Layout {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Opens a store, and makes one where there is nothing yet. Refuses directories of others and stores of a later version. */
  static async open(root: string, options: { create: boolean }): Promise<Layout> {
    const layout = new Layout(root);
    const marker = join(root, 'layout.json');
    if (options.create) await mkdir(root, { recursive: true, mode: 0o755 });
    const text = await readFile(marker, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) {
      if (!options.create) throw refuse(`${root} holds no registry (there is no ${marker})`);
      if ((await readdir(root)).some((name) => name !== 'tmp' && name !== 'lost+found'))
        throw refuse(`${root} is not empty and holds no registry of ours: name an empty directory`);
      await layout.#makeDirectories();
      await replaceFile(layout.temporary, marker, JSON.stringify({ format: FORMAT, version: VERSION }));
      return layout;
    }
    const { format, version } = parseMarker(text);
    if (format !== FORMAT || version !== VERSION)
      throw refuse(`${root} holds a store of format ${format} version ${version}; this program knows ${FORMAT} version ${VERSION}`);
    await layout.#makeDirectories();
    return layout;
  }

  get temporary(): string {
    return join(this.root, 'tmp');
  }

  get uploads(): string {
    return join(this.root, 'uploads');
  }

  get repositories(): string {
    return join(this.root, 'repositories');
  }

  get blobs(): string {
    return join(this.root, 'blobs');
  }

  get trash(): string {
    return join(this.root, 'trash');
  }

  /** A blob's bytes, shared between repositories. */
  blob(digest: Digest): string {
    const [algorithm, hex] = split(digest);
    return join(this.blobs, algorithm, hex.slice(0, 2), hex);
  }

  upload(id: string): string {
    return join(this.uploads, id);
  }

  repository(name: string): string {
    return join(this.repositories, name);
  }

  /** An empty file: the repository may serve this blob. */
  blobLink(name: string, digest: Digest): string {
    return join(this.repository(name), '_blobs', ...split(digest));
  }

  manifests(name: string): string {
    return join(this.repository(name), '_manifests');
  }

  /** JSON, `{"mediaType": …}`; the bytes are the blob of that digest. */
  manifest(name: string, digest: Digest): string {
    return join(this.manifests(name), ...split(digest));
  }

  tags(name: string): string {
    return join(this.repository(name), '_tags');
  }

  /** Holds the digest of a manifest. */
  tag(name: string, tag: string): string {
    return join(this.tags(name), tag);
  }

  /** One file a manifest whose subject is `subject`. */
  referrers(name: string, subject: Digest): string {
    return join(this.repository(name), '_referrers', ...split(subject));
  }

  async #makeDirectories(): Promise<void> {
    for (const path of [this.temporary, this.uploads, this.repositories, this.blobs, this.trash]) await mkdir(path, { recursive: true });
  }
}

function split(digest: Digest): [algorithm: string, hex: string] {
  const colon = digest.indexOf(':');
  return [digest.slice(0, colon), digest.slice(colon + 1)];
}

function parseMarker(text: string): { format?: unknown; version?: unknown } {
  try {
    return JSON.parse(text) as { format?: unknown; version?: unknown };
  } catch {
    return {};
  }
}

function refuse(message: string): EngineError {
  return new EngineError('FailedPrecondition', message, { layer: 'registry' });
}
