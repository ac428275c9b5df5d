// Error kinds on the Engine API: status codes as moby's server maps its errdefs.
import type { ErrorKind } from './kind.ts';

const STATUS: Record<ErrorKind, number> = {
  Unknown: 500,
  InvalidArgument: 400,
  NotFound: 404,
  AlreadyExists: 409,
  PermissionDenied: 403,
  ResourceExhausted: 500,
  FailedPrecondition: 409,
  Conflict: 409,
  Aborted: 409,
  OutOfRange: 400,
  NotImplemented: 501,
  Internal: 500,
  Unavailable: 503,
  DataLoss: 500,
  Unauthenticated: 401,
  Cancelled: 499,
  DeadlineExceeded: 504,
  NotModified: 304,
};

export function httpStatus(kind: ErrorKind): number {
  return STATUS[kind];
}

/** The kind a client concludes from a status it received. */
export function kindOfHttpStatus(status: number): ErrorKind {
  switch (status) {
    case 304:
      return 'NotModified';
    case 400:
      return 'InvalidArgument';
    case 401:
      return 'Unauthenticated';
    case 403:
      return 'PermissionDenied';
    case 404:
      return 'NotFound';
    case 409:
      return 'Conflict';
    case 499:
      return 'Cancelled';
    case 501:
      return 'NotImplemented';
    case 503:
      return 'Unavailable';
    case 504:
      return 'DeadlineExceeded';
    default:
      return status >= 500 ? 'Internal' : 'Unknown';
  }
}
