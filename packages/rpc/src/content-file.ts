// A file with the bytes of a blob that is to be written, named beside the call of Content's Write as metadata: a service that can have
// the file takes it by renaming it, hashes it, and answers the first message with all of it written. Berth's own: a service that does
// not know the name, or has another view of the file systems, answers with nothing written, and is sent the bytes.
const CONTENT_FILE = 'berth-content-file';

/** `path` is absolute; percent-encoded on the wire, as metadata is ASCII. */
export function contentFileMetadata(path: string): Record<string, string> {
  return { [CONTENT_FILE]: encodeURIComponent(path) };
}

/** The path that a call names. Throws URIError for what is not percent-encoded. */
export function contentFileOf(metadata: ReadonlyMap<string, string>): string | undefined {
  const text = metadata.get(CONTENT_FILE);
  return text === undefined ? undefined : decodeURIComponent(text);
}
