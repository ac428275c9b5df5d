// A file that somebody names by its address (`docker import URL`, ADD): through the proxies of the environment, with the patience and
// the words of connections to registries. An address that is not encrypted may be; one that is does not lead to one that is not.
import { bodyOf } from './body.ts';
import { defaultHost } from './host.ts';
import { type HttpResponse, Transport } from './transport.ts';

export interface OpenedAddress extends Disposable {
  response: HttpResponse;
  body: AsyncGenerator<Buffer, void, undefined>;
}

/** Any status is an answer. Disposing closes the connection. */
export async function openAddress(url: URL, signal: AbortSignal): Promise<OpenedAddress> {
  using cleanup = new DisposableStack();
  const transport = cleanup.use(new Transport(defaultHost(url.host, { plainFallback: false, tls: {} })));
  const response = await transport.send({ method: 'GET', url, headers: {}, signal });
  cleanup.defer(() => response.destroy());
  const resources = cleanup.move();
  return { response, body: bodyOf(response), [Symbol.dispose]: () => resources.dispose() };
}
