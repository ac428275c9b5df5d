// A request to a test's daemon past every client: for what clients leave out or make nicer.
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Berthd } from './berthd.ts';

export interface Answer {
  status: number;
  /** Parsed where it is JSON. */
  body: unknown;
}

export function api(daemon: Berthd, method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: daemon.socket, method, path: encodeURI(`/v1.51${path}`), headers }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body: parsed(body) }), reject);
    });
    call.on('error', reject);
    call.end();
  });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
