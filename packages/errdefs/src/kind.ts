// The kinds of error that every layer of Berth speaks, named as containerd's errdefs names them.
// A kind says what a caller may do about the error; the message says what happened. Only http.ts and grpc.ts of this package turn a
// kind into a protocol's code.

/** Every kind, in containerd's wording (github.com/containerd/errdefs). */
export const ERROR_KINDS = [
  'Unknown',
  'InvalidArgument',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Conflict',
  'Aborted',
  'OutOfRange',
  'NotImplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
  'Cancelled',
  'DeadlineExceeded',
  'NotModified',
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];
