// One plugin: JSON requests over HTTP on a unix socket or TCP, with or without TLS (Docker's plugin API,
// docs.docker.com/engine/extend/plugin_api). The first request is Plugin.Activate, whose answer says what the plugin implements.
//
// A plugin is a program of somebody else's: its answers are bounded in size and time, and one that hangs keeps nobody else waiting. One
// that is being started again is waited for: what could not be connected is tried again for a while.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '@berth/errdefs/engine-error';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';
const LARGEST_ANSWER = 8 << 20;
/** Errors of a request that has not begun. */
const NOT_THERE = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN']);

/** Milliseconds. */
export interface Patience {
  /** For a whole answer. */
  readonly answer: number;
  /** For a plugin that cannot be connected to. */
  readonly connect: number;
}

/** A storage system may have to move data for a Mount. */
export const PATIENT: Patience = { answer: 120_000, connect: 10_000 };
/** For questions that many plugins are asked at once: a broken one must not hold up the list. */
export const HASTY: Patience = { answer: 5_000, connect: 0 };

export interface PluginTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

export type PluginAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number; readonly tls?: PluginTls };

export class PluginClient {
  readonly name: string;
  readonly #address: PluginAddress;
  #implements: readonly string[] | undefined;

  constructor(name: string, address: PluginAddress) {
    this.name = name;
    this.#address = address;
  }

  /** What it implements, e.g. `VolumeDriver`. A plugin that could not be asked is asked again the next time. */
  async implementations(patience: Patience = PATIENT): Promise<readonly string[]> {
    this.#implements ??= ((await this.#send('Plugin.Activate', {}, patience)) as { Implements?: string[] }).Implements ?? [];
    return this.#implements;
  }

  /** Throws what the plugin says in `Err`. */
  async call<T>(method: string, body: object, patience: Patience = PATIENT): Promise<T> {
    await this.implementations(patience);
    return (await this.#send(method, body, patience)) as T;
  }

  async #send(method: string, body: object, patience: Patience): Promise<object> {
    const { status, answer } = await this.#postPatiently(method, JSON.stringify(body), patience);
    let parsed: { Err?: string } | null = null;
    try {
      parsed = JSON.parse(answer || '{}') as { Err?: string };
    } catch (cause) {
      if (status === 200) throw this.#failure(method, 'its answer is not JSON', cause);
    }
    if (status !== 200 || parsed?.Err) throw this.#failure(method, parsed?.Err || answer.trim().slice(0, 1000) || `status ${status}`);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  }

  async #postPatiently(method: string, body: string, patience: Patience): Promise<{ status: number; answer: string }> {
    const end = Date.now() + patience.connect;
    for (let wait = 50; ; wait *= 2) {
      try {
        return await this.#post(method, body, patience.answer);
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException;
        if (!NOT_THERE.has(code) || Date.now() + wait > end) throw this.#failure(method, message, error);
        await delay(wait);
      }
    }
  }

  #post(method: string, body: string, timeout: number): Promise<{ status: number; answer: string }> {
    return new Promise((resolve, reject) => {
      const headers = { Accept: CONTENT_TYPE, 'Content-Type': CONTENT_TYPE, 'Content-Length': Buffer.byteLength(body), Host: 'plugin' };
      const target = { method: 'POST', path: `/${method}`, headers, agent: false as const };
      const tls = 'tls' in this.#address ? this.#address.tls : undefined;
      const outgoing = tls ? httpsRequest({ ...target, ...this.#address, ...tls }) : httpRequest({ ...target, ...this.#address });
      // The whole of it: a plugin that sends a byte a second is as slow as one that sends none.
      const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeout / 1000} s`)), timeout);
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      outgoing.on('error', fail);
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > LARGEST_ANSWER) outgoing.destroy(new Error(`its answer has more than ${LARGEST_ANSWER >> 20} MiB`));
          else chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, answer: Buffer.concat(chunks).toString() });
        });
      });
      outgoing.end(body);
    });
  }

  #failure(method: string, why: string, cause?: unknown): EngineError {
    return new EngineError('Unknown', `${method}: ${why}`, { layer: 'daemon', details: { plugin: this.name }, cause });
  }
}
