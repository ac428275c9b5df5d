// How a client wants a transfer done, told beside the request as metadata of the call. Berth's own: a service that does not know these
// names passes over them and transfers as it always does.

export interface TransferTerms {
  /** Blobs under way at one time. */
  parallel?: number;
  /** Bytes a second, at most. */
  rate?: number;
  /** How often a request is tried before it has failed. */
  attempts?: number;
  /** Push layers too that their makers want to be fetched from their own servers only. */
  nondistributable?: boolean;
}

const PREFIX = 'berth-transfer-';

/** The metadata of a call that asks for these terms; terms that are not given are not named. */
export function termsMetadata(terms: TransferTerms): Record<string, string> {
  const { nondistributable, ...numbers } = terms;
  const given = Object.entries(numbers).flatMap(([name, value]) => (value === undefined ? [] : [[PREFIX + name, String(value)] as const]));
  return { ...Object.fromEntries(given), ...(nondistributable ? { [`${PREFIX}nondistributable`]: '1' } : {}) };
}

/** What is no positive number is passed over like what is not known. */
export function termsOf(metadata: ReadonlyMap<string, string>): TransferTerms {
  const number = (name: 'parallel' | 'rate' | 'attempts') => {
    const value = Number(metadata.get(PREFIX + name) ?? Number.NaN);
    return value >= 1 ? { [name]: Math.floor(value) } : {};
  };
  return {
    ...number('parallel'),
    ...number('rate'),
    ...number('attempts'),
    nondistributable: metadata.get(`${PREFIX}nondistributable`) === '1',
  };
}
