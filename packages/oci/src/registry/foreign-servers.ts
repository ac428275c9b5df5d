// Layers that a registry does not hold because their makers hand them out themselves (image-spec, "Non-Distributable Layers"; Docker's
// foreign layers): fetched from the URLs of their descriptor. Those come from whoever wrote the manifest, so nothing of the registry's
// goes there: no credentials, headers or certificates. What comes back is checked against the digest like any other blob.
import { EngineError } from '@berth/errdefs/engine-error';
import { readText } from './body.ts';
import { defaultHost } from './host.ts';
import { registryError } from './registry-error.ts';
import { type HttpResponse, Transport } from './transport.ts';

export class ForeignServers implements Disposable {
  readonly #transports = new Map<string, Transport>();

  /** The answer of the first URL that has the layer; the error of the last. */
  async open(urls: readonly string[], headers: Record<string, string>, signal: AbortSignal | undefined): Promise<HttpResponse> {
    let last: unknown;
    for (const text of urls) {
      try {
        return await this.#get(text, headers, signal);
      } catch (error) {
        signal?.throwIfAborted();
        last = error;
      }
    }
    throw last;
  }

  [Symbol.dispose](): void {
    for (const transport of this.#transports.values()) transport[Symbol.dispose]();
  }

  async #get(text: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
      throw new EngineError('InvalidArgument', `the layer is to be fetched from ${JSON.stringify(text)}, which is no http(s) address`, {
        layer: 'registry',
      });
    }
    const transport = this.#transports.get(url.host) ?? new Transport(defaultHost(url.host, { plainFallback: false }));
    this.#transports.set(url.host, transport);
    const response = await transport.send({ method: 'GET', url, headers, signal });
    if (response.statusCode === 200 || response.statusCode === 206) return response;
    throw registryError(response.statusCode, await readText(response), `GET ${url.href.split('?', 1)[0]}`);
  }
}
