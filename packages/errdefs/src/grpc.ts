// Error kinds as gRPC status codes (google.rpc.Code), the same on ttrpc. Numbers, so that this package needs no gRPC.
import type { ErrorKind } from './kind.ts';

const CODE: Record<ErrorKind, number> = {
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  NotModified: 9,
  Aborted: 10,
  Conflict: 10,
  OutOfRange: 11,
  NotImplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
};

const KIND: Partial<Record<number, ErrorKind>> = {
  1: 'Cancelled',
  3: 'InvalidArgument',
  4: 'DeadlineExceeded',
  5: 'NotFound',
  6: 'AlreadyExists',
  7: 'PermissionDenied',
  8: 'ResourceExhausted',
  9: 'FailedPrecondition',
  10: 'Aborted',
  11: 'OutOfRange',
  12: 'NotImplemented',
  13: 'Internal',
  14: 'Unavailable',
  15: 'DataLoss',
  16: 'Unauthenticated',
};

export function grpcCode(kind: ErrorKind): number {
  return CODE[kind];
}

export function kindOfGrpcCode(code: number): ErrorKind {
  return KIND[code] ?? 'Unknown';
}
