// Answers of a registry that are errors: the body's `errors` list (distribution-spec, "Error Codes"), worded as Docker's client
// words them, `manifest unknown: <message>`, so that what people search for stays what they see.
import { EngineError } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';

export interface RegistryProblem {
  /** MANIFEST_UNKNOWN, DENIED, …; undefined when the answer was not the specification's. */
  code: string | undefined;
  status: number;
}

/** The error that `status` and `body` tell. `what` names the request: `GET https://…/v2/…`. */
export function registryError(status: number, body: string, what: string): EngineError {
  const first = firstError(body);
  const details: RegistryProblem & { request: string } = { code: first?.code, status, request: what };
  const text = first
    ? `${first.code.toLowerCase().replaceAll('_', ' ')}: ${first.message}`
    : `${what}: registry answered ${status}${body.trim() === '' ? '' : `: ${body.trim().slice(0, 200)}`}`;
  return new EngineError(kindOf(status, first?.code), text, { layer: 'registry', details: { ...details } });
}

/** The registry's own code and status behind an error, if it came from a registry. */
export function problemOf(error: unknown): RegistryProblem | undefined {
  if (!(error instanceof EngineError) || typeof error.details.status !== 'number') return undefined;
  return { code: error.details.code as string | undefined, status: error.details.status };
}

export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

function firstError(body: string): { code: string; message: string } | undefined {
  try {
    const parsed = JSON.parse(body) as { errors?: { code?: unknown; message?: unknown }[]; details?: unknown };
    const first = parsed.errors?.[0];
    if (typeof first?.code === 'string') return { code: first.code, message: String(first.message ?? '') };
    // Token servers answer with a bare `details`.
    if (typeof parsed.details === 'string') return { code: 'UNAUTHORIZED', message: parsed.details };
  } catch {
    // An HTML page of a proxy, or nothing at all.
  }
  return undefined;
}

function kindOf(status: number, code: string | undefined): ErrorKind {
  if (code === 'DENIED' || status === 403) return 'PermissionDenied';
  if (status === 401) return 'Unauthenticated';
  if (status === 404) return 'NotFound';
  if (status === 429) return 'ResourceExhausted';
  if (isTransientStatus(status)) return 'Unavailable';
  if (status === 409 || status === 412) return 'FailedPrecondition';
  return status >= 400 && status < 500 ? 'InvalidArgument' : 'Unknown';
}
