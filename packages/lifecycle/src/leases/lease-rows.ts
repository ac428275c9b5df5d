// The lease store's tables: leases, and what each of them keeps.
export const LEASE_SCHEMA = `
  CREATE TABLE lease (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
  ) WITHOUT ROWID;
  CREATE TABLE lease_resource (
    namespace TEXT NOT NULL,
    lease TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace, lease, type, id),
    FOREIGN KEY (namespace, lease) REFERENCES lease (namespace, id) ON DELETE CASCADE
  ) WITHOUT ROWID;
`;

export interface LeaseRow {
  namespace: string;
  id: string;
  /** Milliseconds since 1970. */
  created: number;
  /** JSON. */
  labels: string;
}
