// Manifest lists that are being put together, as docker's client keeps them: <config>/manifests/<list>/<manifest>, one JSON file for
// each manifest, so that both clients go on with each other's.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Descriptor } from '@berth/oci/image-spec';

/** A manifest as docker's client writes it down. */
export interface ImageManifest {
  Ref: string;
  Descriptor: Descriptor;
  /** The manifest's bytes, base64. */
  Raw: string;
  SchemaV2Manifest?: unknown;
  OCIManifest?: unknown;
}

export class ManifestStore {
  readonly #root: string;

  constructor(configDirectory: string) {
    this.#root = join(configDirectory, 'manifests');
  }

  /** Undefined when there is no such list. */
  list(name: string): ImageManifest[] | undefined {
    const directory = this.#directory(name);
    if (!existsSync(directory)) return undefined;
    return readdirSync(directory)
      .sort()
      .filter((file) => !file.startsWith('.'))
      .map((file) => read(join(directory, file)));
  }

  get(list: string, name: string): ImageManifest | undefined {
    const path = join(this.#directory(list), fileName(name));
    return existsSync(path) ? read(path) : undefined;
  }

  save(list: string, name: string, manifest: ImageManifest): void {
    const directory = this.#directory(list);
    mkdirSync(directory, { recursive: true });
    const partial = join(directory, `.${process.pid}`);
    writeFileSync(partial, JSON.stringify(manifest));
    renameSync(partial, join(directory, fileName(name)));
  }

  /** False when there was none. */
  remove(list: string): boolean {
    if (!existsSync(this.#directory(list))) return false;
    rmSync(this.#directory(list), { recursive: true });
    return true;
  }

  #directory(list: string): string {
    return join(this.#root, fileName(list));
  }
}

/** docker.io/library/app:1 is kept as docker.io_library_app-1. References hold neither `..` nor a leading dot. */
function fileName(reference: string): string {
  return reference.replaceAll(':', '-').replaceAll('/', '_');
}

function read(path: string): ImageManifest {
  try {
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as ImageManifest;
    if (typeof manifest.Ref === 'string' && typeof manifest.Descriptor?.digest === 'string' && typeof manifest.Raw === 'string')
      return manifest;
  } catch (cause) {
    throw damaged(path, (cause as Error).message, cause);
  }
  throw damaged(path, 'it names no Ref, Descriptor and Raw');
}

function damaged(path: string, why: string, cause?: unknown): EngineError {
  return new EngineError('DataLoss', `${path} is no manifest: ${why}; remove the list with manifest rm and make it again`, {
    layer: 'cli',
    cause,
  });
}
