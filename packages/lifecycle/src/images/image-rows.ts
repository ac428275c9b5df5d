// The image store's table: one row a name and namespace.
export const IMAGE_SCHEMA = `
  CREATE TABLE image (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    labels TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
  ) WITHOUT ROWID;
`;

export interface ImageRow {
  name: string;
  /** JSON of a descriptor. */
  target: string;
  /** JSON. */
  labels: string;
  /** Milliseconds since 1970, as `updated`. */
  created: number;
  updated: number;
}
