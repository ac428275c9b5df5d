// What the registry answers when it does not do what was asked: the error codes of the distribution-spec ("Error Codes") and of
// Docker's registry API, with their HTTP statuses. The only place of this package that knows both.
import { EngineError, toEngineError } from '@berth/errdefs/engine-error';
import type { ErrorKind } from '@berth/errdefs/kind';

const CODES = {
  BLOB_UNKNOWN: [404, 'NotFound', 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'InvalidArgument', 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'NotFound', 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'InvalidArgument', 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'FailedPrecondition', 'blob unknown to registry'],
  MANIFEST_INVALID: [400, 'InvalidArgument', 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'NotFound', 'manifest unknown'],
  NAME_INVALID: [400, 'InvalidArgument', 'invalid repository name'],
  NAME_UNKNOWN: [404, 'NotFound', 'repository name not known to registry'],
  SIZE_INVALID: [400, 'InvalidArgument', 'provided length did not match content length'],
  TAG_INVALID: [400, 'InvalidArgument', 'manifest tag is not a valid tag'],
  PAGINATION_NUMBER_INVALID: [400, 'InvalidArgument', 'invalid number of results requested'],
  RANGE_INVALID: [416, 'OutOfRange', 'invalid content range'],
  UNAUTHORIZED: [401, 'Unauthenticated', 'authentication required'],
  DENIED: [403, 'PermissionDenied', 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'NotImplemented', 'The operation is unsupported.'],
  TOOMANYREQUESTS: [429, 'ResourceExhausted', 'too many requests'],
  UNAVAILABLE: [503, 'Unavailable', 'service unavailable'],
  UNKNOWN: [500, 'Internal', 'unknown error'],
} as const satisfies Record<string, readonly [status: number, kind: ErrorKind, message: string]>;

export type ProblemCode = keyof typeof CODES;

export interface ProblemOptions {
  /** Shown to clients beside the message; never a secret. */
  detail?: unknown;
  /** Instead of the code's usual status: 413 for a manifest that is too large. */
  status?: number;
  headers?: Record<string, string>;
  cause?: unknown;
}

export class Problem extends EngineError {
  readonly code: ProblemCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Record<string, string>;

  constructor(code: ProblemCode, message: string = CODES[code][2], options: ProblemOptions = {}) {
    super(CODES[code][1], message, { layer: 'registry', cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = options.status ?? CODES[code][0];
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  /** The body of the answer. */
  get document(): string {
    const detail = this.detail === undefined ? {} : { detail: this.detail };
    return JSON.stringify({ errors: [{ code: this.code, message: this.message, ...detail }] });
  }
}

/** The answer to whatever was thrown: its own when it is a Problem; otherwise the inside of the server stays inside. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const error = toEngineError(thrown, 'Internal');
  if (error.kind === 'ResourceExhausted')
    return new Problem('UNAVAILABLE', 'the registry has no space left for this', { status: 507, cause: thrown });
  return new Problem('UNKNOWN', undefined, { cause: thrown });
}
