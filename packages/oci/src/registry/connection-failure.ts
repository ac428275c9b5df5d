// Why a connection could not be made, in the words of Docker's own messages: people and scripts know those.

/** The errno of a failure, or of the first of several; '' for none. */
export function codeOf(error: unknown): string {
  const failure = error as { code?: unknown; errors?: unknown[] } | null | undefined;
  if (typeof failure?.code === 'string') return failure.code;
  return Array.isArray(failure?.errors) ? codeOf(failure.errors[0]) : '';
}

/** `dial tcp 127.0.0.1:5000: connect: connection refused` */
export function reason(error: unknown): string {
  const failure = error as NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string; errors?: unknown[] };
  const first = Array.isArray(failure.errors) ? (failure.errors.at(-1) as typeof failure) : failure;
  const target = first.address === undefined ? '' : ` ${first.address.includes(':') ? `[${first.address}]` : first.address}:${first.port}`;
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return `dial tcp${target}: connect: connection refused`;
    case 'ETIMEDOUT':
      return `dial tcp${target}: i/o timeout`;
    case 'ENETUNREACH':
      return `dial tcp${target}: connect: network is unreachable`;
    case 'EHOSTUNREACH':
      return `dial tcp${target}: connect: no route to host`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${first.hostname ?? ''}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${first.hostname ?? ''}: temporary failure in name resolution`;
    case 'EPROTO':
      return /wrong version number|packet length too long/i.test(first.message)
        ? 'http: server gave HTTP response to HTTPS client'
        : `tls: ${first.message}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    case 'CERT_HAS_EXPIRED':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${first.message}`;
    default:
      return first.message;
  }
}
