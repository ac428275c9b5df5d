// The one error type of Berth. It is made where the failure is understood (a system call, a lookup, a validator) and
// caught only at the edges: HTTP route, gRPC or ttrpc face, the CLI's main, a container's init.
import type { ErrorKind } from './kind.ts';

export interface EngineErrorOptions {
  /** The layer that failed: cli, daemon, builder, network, lifecycle, shim, runtime, registry. */
  layer?: string;
  /** Machine-readable facts: ids, paths, digests. Never secrets. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * An error with a kind. `message` is what a person reads: the object, what is wrong with it and what to do;
 * wordings that clients match on are Docker's own.
 */
export class EngineError extends Error {
  readonly kind: ErrorKind;
  readonly layer: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(kind: ErrorKind, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.kind = kind;
    this.layer = options.layer;
    this.details = options.details ?? {};
  }
}

/** A failed system call. `call` and `args` name it, `code` is the errno's name (ENOENT), `errno` its positive number. */
export class SysError extends EngineError {
  readonly errno: number;
  readonly code: string;
  readonly call: string;

  constructor(call: string, errno: number, code: string, text: string, args: readonly unknown[] = []) {
    super(kindOfErrno(code), `${call}${args.length ? ` ${args.map(String).join(' ')}` : ''}: ${text}`, {
      details: { call, errno, code, args: args.map(String) },
    });
    this.name = 'SysError';
    this.errno = errno;
    this.code = code;
    this.call = call;
  }
}

const EDQUOT = 122;

/** Makes an EngineError of whatever was thrown; the original is kept as its cause. */
export function toEngineError(thrown: unknown, fallback: ErrorKind = 'Unknown'): EngineError {
  if (thrown instanceof EngineError) return thrown;
  if (thrown instanceof Error) {
    const { code, errno, syscall = 'write' } = thrown as NodeJS.ErrnoException;
    // libuv has no name for it.
    if (code === 'UNKNOWN' && errno === -EDQUOT)
      return new EngineError('ResourceExhausted', `EDQUOT: disk quota exceeded, ${syscall}`, { cause: thrown });
    // SQLite has its own words for it.
    if (isDatabaseFull(thrown)) return new EngineError('ResourceExhausted', 'no space left on device', { cause: thrown });
    const kind = typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? kindOfErrno(code, fallback) : fallback;
    return new EngineError(kind, thrown.message, { cause: thrown });
  }
  return new EngineError(fallback, String(thrown), { cause: thrown });
}

/** What was thrown, with `prefix` before its message: where it happened, for whoever reads it at the edge. */
export function prefixed(thrown: unknown, prefix: string): EngineError {
  const { kind, message, layer, details } = toEngineError(thrown);
  return new EngineError(kind, `${prefix}${message}`, { layer, details, cause: thrown });
}

/** SQLite's word for a disk that is full. */
export function isDatabaseFull(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === 'SQLITE_FULL';
}

export function isKind(thrown: unknown, kind: ErrorKind): boolean {
  return thrown instanceof EngineError && thrown.kind === kind;
}

function kindOfErrno(code: string, fallback: ErrorKind = 'Internal'): ErrorKind {
  switch (code) {
    case 'ENOENT':
    case 'ESRCH':
    case 'ENODEV':
      return 'NotFound';
    case 'EEXIST':
      return 'AlreadyExists';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'PermissionDenied';
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return 'ResourceExhausted';
    case 'EBUSY':
    case 'ENOTEMPTY':
      return 'FailedPrecondition';
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
      return 'Unavailable';
    case 'ENOSYS':
    case 'EOPNOTSUPP':
      return 'NotImplemented';
    case 'ETIMEDOUT':
      return 'DeadlineExceeded';
    default:
      return fallback;
  }
}
