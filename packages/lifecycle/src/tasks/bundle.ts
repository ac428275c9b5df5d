// The bundle of a task, containerd's layout: <state>/io.containerd.runtime.v2.task/<namespace>/<id>/ with config.json, rootfs/ and what
// the shim adds (bootstrap.json, init.pid). The directory is the record that a task exists: it is made first and renamed away when the
// task is no more; under its new name it is the record that the shim may still have to end.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';

export interface Bundle {
  namespace: string;
  id: string;
  path: string;
}

/** How the shim of a bundle is reached. */
export interface ShimAddress {
  /** A unix socket's path. */
  address: string;
  /** Of the task API: 2 or 3. */
  version: number;
  pid?: number;
}

/** Between namespace, id and number of a bundle that is done with: identifiers have no such character. */
const SEPARATOR = '+';

/** Beside containerd's own files (runc's shim writes one called runtime): which runtime the task was made with. */
const RUNTIME_FILE = 'task-runtime';

/** Milliseconds until what could not be deleted is tried again. */
const DELETE_AGAIN = 200;

const TASKS = 'io.containerd.runtime.v2.task';

export class Bundles {
  readonly #root: string;
  readonly #deleting: string;
  #retired = 0;

  /** Below `state`: containerd's names for where bundles of tasks, and of sandboxes, are. */
  constructor(state: string, kind: 'io.containerd.runtime.v2.task' | 'io.containerd.sandbox.controller.v1.shim' = TASKS) {
    this.#root = join(state, kind);
    this.#deleting = join(state, kind === TASKS ? 'deleting' : 'deleting-sandboxes');
    for (const directory of [this.#root, this.#deleting]) mkdirSync(directory, { recursive: true, mode: 0o711 });
  }

  /** `config` are the bytes of config.json, as the client wrote them. AlreadyExists for a bundle that is there. */
  create(namespace: string, id: string, runtime: string, config: Uint8Array): Bundle {
    const bundle: Bundle = { namespace, id, path: join(this.#root, namespace, id) };
    mkdirSync(join(this.#root, namespace), { recursive: true, mode: 0o711 });
    try {
      mkdirSync(bundle.path, { mode: 0o711 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new EngineError('AlreadyExists', `task ${id}: already exists`, { layer: 'lifecycle', details: { namespace, id } });
    }
    mkdirSync(join(bundle.path, 'rootfs'), { mode: 0o711 });
    writeFileSync(join(bundle.path, 'config.json'), config, { mode: 0o600 });
    writeFileSync(join(bundle.path, RUNTIME_FILE), runtime);
    return bundle;
  }

  /** Every bundle on the disk, after a restart. */
  list(): Bundle[] {
    return readdirSync(this.#root).flatMap((namespace) =>
      readdirSync(join(this.#root, namespace)).map((id) => ({ namespace, id, path: join(this.#root, namespace, id) })),
    );
  }

  runtime(bundle: Bundle): string | undefined {
    return readOrNothing(join(bundle.path, RUNTIME_FILE));
  }

  /** What the shim wrote: bootstrap.json, or `address` by shims of containerd before 1.7. */
  shim(bundle: Bundle): ShimAddress | undefined {
    const bootstrap = readOrNothing(join(bundle.path, 'bootstrap.json'));
    if (bootstrap !== undefined) return parseBootstrap(bootstrap);
    const address = readOrNothing(join(bundle.path, 'address'));
    return address === undefined ? undefined : parseBootstrap(address);
  }

  /** For shims that leave this to whoever started them. */
  writeShim(bundle: Bundle, { address, version }: ShimAddress): void {
    const path = join(bundle.path, 'bootstrap.json');
    if (existsSync(path)) return;
    writeFileSync(`${path}.tmp`, JSON.stringify({ version, address: `unix://${address}`, protocol: 'ttrpc' }));
    renameSync(`${path}.tmp`, path);
  }

  /** The pid of the container's first process, as the shim noted it. */
  initPid(bundle: Bundle): number {
    return Number.parseInt(readOrNothing(join(bundle.path, 'init.pid')) ?? '', 10) || 0;
  }

  /** The id is free at once; what the bundle says of the shim is there until `discard`, also for the next process of this service. */
  retire(bundle: Bundle): Bundle {
    const { namespace, id } = bundle;
    let path: string;
    do path = join(this.#deleting, [namespace, id, this.#retired++].join(SEPARATOR));
    while (existsSync(path));
    renameSync(bundle.path, path);
    return { namespace, id, path };
  }

  /** Every bundle that was retired and not discarded, after a restart. */
  retired(): Bundle[] {
    return readdirSync(this.#deleting).map((name) => {
      const [namespace = '', id = ''] = name.split(SEPARATOR);
      return { namespace, id, path: join(this.#deleting, name) };
    });
  }

  /** Deletes a retired bundle. The shim may still write its last words into the directory, so that deleting it can fail for a moment. */
  discard({ path }: Bundle): void {
    deleteSoon(path);
  }

  /** Retired and discarded: no shim is left to end. */
  remove(bundle: Bundle): void {
    this.discard(this.retire(bundle));
  }
}

function deleteSoon(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The next start of the service deletes whatever is left.
    setTimeout(() => deleteSoon(path), DELETE_AGAIN).unref();
  }
}

/** A shim's answer to `start`: JSON since version 3, an address alone before. */
export function parseBootstrap(text: string): ShimAddress {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return { address: pathOf(trimmed), version: 2 };
  const { version, address, protocol } = JSON.parse(trimmed) as { version?: number; address?: string; protocol?: string };
  if (protocol !== undefined && protocol !== '' && protocol !== 'ttrpc') {
    throw new EngineError('NotImplemented', `the shim speaks ${protocol}, which is not supported; use one that speaks ttrpc`, {
      layer: 'lifecycle',
    });
  }
  return { address: pathOf(address ?? ''), version: version ?? 2 };
}

function pathOf(address: string): string {
  const path = address.replace(/^unix:(\/\/)?/, '');
  if (!path.startsWith('/'))
    throw new EngineError('Internal', `the shim's address "${address}" is not a unix socket`, { layer: 'lifecycle' });
  return path;
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
