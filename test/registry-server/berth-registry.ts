// bin/berth-registry as a test's own registry: a free loopback port and a throw-away root, which outlives kill() and start().
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Digest, digestOf } from '@berth/oci/digest';
import { MEDIA_TYPE } from '@berth/oci/image-spec';
import { type Result, ROOT, run } from '../harness/programs.ts';

const PROGRAM = join(ROOT, 'bin', 'berth-registry');

export interface RegistryOptions {
  /** Made before the start: names below the test's directory and their contents. */
  flags?: (directory: string) => readonly string[];
  /** A shell command in a mount namespace of the registry's own, before it starts; `$STORE` is the root. */
  mount?: string;
}

export class BerthRegistry implements AsyncDisposable {
  readonly directory: string;
  /** 127.0.0.1:<port>, of the latest start. */
  host = '';
  #child: ChildProcess | undefined;
  readonly #options: RegistryOptions;

  private constructor(options: RegistryOptions) {
    this.directory = mkdtempSync(join(tmpdir(), 'berth-reg-'));
    this.#options = options;
  }

  static async start(options: RegistryOptions = {}): Promise<BerthRegistry> {
    const registry = new BerthRegistry(options);
    try {
      await registry.launch();
    } catch (error) {
      await registry[Symbol.asyncDispose]();
      throw error;
    }
    return registry;
  }

  get root(): string {
    return join(this.directory, 'store');
  }

  /** The most memory that the server had, bytes. */
  get peakMemory(): number {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8'))?.[1]) * 1024;
  }

  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Starts it, again after kill() or stop(), on the port that it had. */
  async launch(): Promise<void> {
    const log = openSync(join(this.directory, 'log'), 'a');
    const before = this.log.length;
    const address = this.host || '127.0.0.1:0';
    const args = ['serve', '--root', this.root, '--listen', address, ...(this.#options.flags?.(this.directory) ?? [])];
    const { mount } = this.#options;
    const [command, ...prefix] = mount === undefined ? [PROGRAM] : ['unshare', '-m', 'sh', '-ec', `${mount}; exec "$0" "$@"`, PROGRAM];
    const env = { ...process.env, STORE: this.root };
    const child = spawn(command, [...prefix, ...args], { stdio: ['ignore', 'ignore', log], env });
    closeSync(log);
    this.#child = child;
    for (let waited = 0; waited < 10_000; waited += 10) {
      const host = /listens on https?:\/\/(\S+)/.exec(this.log.slice(before))?.[1];
      if (host !== undefined) {
        this.host = host;
        return;
      }
      if (child.exitCode !== null) throw new Error(`berth-registry ended with ${child.exitCode}: ${this.log.slice(before)}`);
      await sleep(10);
    }
    throw new Error(`berth-registry does not serve after 10 s: ${this.log.slice(before)}`);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** `berth-registry gc` on the same store. */
  collect(...flags: string[]): Promise<Result> {
    return run(PROGRAM, ['gc', '--root', this.root, ...flags]);
  }

  async fetch(path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> {
    return fetch(`http://${this.host}${path}`, init);
  }

  /** Pushes a blob in one request. */
  async putBlob(name: string, bytes: Buffer): Promise<Digest> {
    const digest = digestOf(bytes);
    const answer = await this.fetch(`/v2/${name}/blobs/uploads/?digest=${digest}`, { method: 'POST', body: new Uint8Array(bytes) });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return digest;
  }

  putManifest(name: string, reference: string, document: object | Buffer, mediaType: string = MEDIA_TYPE.ociManifest): Promise<Response> {
    const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
    const headers = { 'content-type': mediaType };
    return this.fetch(`/v2/${name}/manifests/${reference}`, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  }

  /** An image of one layer. */
  async putImage(name: string, tag: string, layer: Buffer, more: object = {}): Promise<{ digest: Digest; layer: Digest; config: Digest }> {
    const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }));
    const document = manifestOf(await this.putBlob(name, config), config.length, await this.putBlob(name, layer), layer.length, more);
    const answer = await this.putManifest(name, tag, document);
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return { digest: digestOf(JSON.stringify(document)), layer: document.layers[0]!.digest, config: document.config.digest };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
  }
}

export function manifestOf(config: Digest, configSize: number, layer: Digest, layerSize: number, more: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { mediaType: MEDIA_TYPE.ociConfig, digest: config, size: configSize },
    layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: layer, size: layerSize }],
    ...more,
  };
}

/** The code of an answer's first error. */
export async function codeOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] };
  return errors[0]!.code;
}
