// One plugin: JSON requests over HTTP on a unix socket or TCP (Docker's plugin API, docs.docker.com/engine/extend/plugin_api). The first
// request is Plugin.Activate, whose answer says what the plugin implements.
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { EngineError } from '@berth/errdefs/engine-error';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';
/** A storage system may have to move data for a Mount, ms. */
const TIMEOUT = 60_000;

export type PluginAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export class PluginClient {
  readonly name: string;
  readonly #address: PluginAddress;
  #activated: Promise<readonly string[]> | undefined;

  constructor(name: string, address: PluginAddress) {
    this.name = name;
    this.#address = address;
  }

  /** What it implements, e.g. `VolumeDriver`. A plugin that could not be asked is asked again the next time. */
  implementations(): Promise<readonly string[]> {
    this.#activated ??= this.#send('Plugin.Activate', {}).then((answer) => (answer as { Implements?: string[] }).Implements ?? []);
    this.#activated.catch(() => {
      this.#activated = undefined;
    });
    return this.#activated;
  }

  /** Throws what the plugin says in `Err`. */
  async call<T>(method: string, body: object): Promise<T> {
    await this.implementations();
    return (await this.#send(method, body)) as T;
  }

  async #send(method: string, body: object): Promise<object> {
    const { status, answer } = await this.#post(method, JSON.stringify(body));
    let parsed: { Err?: string } | null = null;
    try {
      parsed = JSON.parse(answer || '{}') as { Err?: string };
    } catch (cause) {
      if (status === 200) throw this.#failure(method, 'its answer is not JSON', cause);
    }
    if (status !== 200 || parsed?.Err) throw this.#failure(method, parsed?.Err || answer.trim() || `status ${status}`);
    return parsed ?? {};
  }

  #post(method: string, body: string): Promise<{ status: number; answer: string }> {
    return new Promise((resolve, reject) => {
      const headers = { Accept: CONTENT_TYPE, 'Content-Type': CONTENT_TYPE, 'Content-Length': Buffer.byteLength(body), Host: 'plugin' };
      const outgoing = request({ ...this.#address, method: 'POST', path: `/${method}`, headers, agent: false, timeout: TIMEOUT });
      outgoing.on('response', (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode ?? 0, answer }), reject);
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT / 1000} s`)));
      outgoing.on('error', (error) => reject(this.#failure(method, error.message, error)));
      outgoing.end(body);
    });
  }

  #failure(method: string, why: string, cause?: unknown): EngineError {
    return new EngineError('Unknown', `${method}: ${why}`, { layer: 'daemon', details: { plugin: this.name }, cause });
  }
}
