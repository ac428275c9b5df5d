// Named endpoints, kept as docker's client keeps them (docker/cli's context store): below the configuration directory, contexts/meta/ID/meta.json
// and contexts/tls/ID/docker/{ca,cert,key}.pem, where ID is the SHA-256 of the name. Both clients share them.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';

export interface ContextRecord {
  Name: string;
  Metadata: { Description?: string };
  Endpoints: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
}

/** `ca.pem`, `cert.pem`, `key.pem`. */
export type ContextTls = Record<string, Buffer>;

export class ContextStore {
  readonly #directory: string;

  /** `configuration`: the directory of config.json. */
  constructor(configuration: string) {
    this.#directory = join(configuration, 'contexts');
  }

  /** By name. */
  list(): ContextRecord[] {
    const meta = join(this.#directory, 'meta');
    const ids = existsSync(meta) ? readdirSync(meta) : [];
    return ids.map((id) => parse(join(meta, id, 'meta.json'))).sort((one, other) => (one.Name < other.Name ? -1 : 1));
  }

  has(name: string): boolean {
    return existsSync(join(this.places(name).metadata, 'meta.json'));
  }

  /** Throws NotFound. */
  read(name: string): ContextRecord {
    const path = join(this.places(name).metadata, 'meta.json');
    if (existsSync(path)) return parse(path);
    throw new EngineError('NotFound', `context "${name}": context not found: open ${path}: no such file or directory`, { layer: 'cli' });
  }

  tls(name: string): ContextTls {
    const directory = join(this.places(name).tls, 'docker');
    const files = existsSync(directory) ? readdirSync(directory).sort() : [];
    return Object.fromEntries(files.map((file) => [file, readFileSync(join(directory, file))]));
  }

  /** `tls`: in the place of what was there; undefined leaves that. */
  write(record: ContextRecord, tls?: ContextTls): void {
    const places = this.places(record.Name);
    mkdirSync(places.metadata, { recursive: true, mode: 0o755 });
    writeFileSync(join(places.metadata, 'meta.json'), JSON.stringify(record), { mode: 0o644 });
    if (tls === undefined) return;
    rmSync(places.tls, { recursive: true, force: true });
    if (Object.keys(tls).length === 0) return;
    mkdirSync(join(places.tls, 'docker'), { recursive: true, mode: 0o700 });
    for (const [file, body] of Object.entries(tls)) writeFileSync(join(places.tls, 'docker', file), body, { mode: 0o600 });
  }

  remove(name: string): void {
    for (const path of Object.values(this.places(name))) rmSync(path, { recursive: true, force: true });
  }

  places(name: string): { metadata: string; tls: string } {
    const id = createHash('sha256').update(name).digest('hex');
    return { metadata: join(this.#directory, 'meta', id), tls: join(this.#directory, 'tls', id) };
  }
}

function parse(path: string): ContextRecord {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as ContextRecord;
    return { ...record, Metadata: record.Metadata ?? {}, Endpoints: record.Endpoints ?? {} };
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${path} cannot be read: ${(cause as Error).message}`, { layer: 'cli', cause });
  }
}
