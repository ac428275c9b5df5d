// The gRPC face of the content store, containerd.services.content.v1.Content. Write is a conversation: the client says STAT, WRITE or
// COMMIT, and each message is answered with where the ingest stands.
import { EngineError } from '@berth/errdefs/engine-error';
import { type Digest, parseDigest } from '@berth/oci/digest';
import { contentFileOf } from '@berth/rpc/content-file';
import {
  type Content as ContentService,
  type Info,
  type Status,
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
} from '@berth/rpc/gen/containerd/services/content/v1/content';
import { timestampOf } from '@berth/rpc/timestamp';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { BlobInfo, Content, ContentWriter, IngestStatus } from '../content/content.ts';
import type { Scope } from '../metadata/scope.ts';
import { scopeOf } from './call-scope.ts';

/** Bytes in one message of Read, and blobs in one of List. */
const READ_CHUNK = 1 << 20;
const LIST_CHUNK = 100;

export function contentService(contentIn: (scope: Scope) => Content): Implementation<typeof ContentService> {
  return {
    info: ({ digest }, call) => ({ info: infoMessage(contentIn(scopeOf(call)).info(parseDigest(digest))) }),

    update({ info, updateMask }, call) {
      if (!info) throw new EngineError('InvalidArgument', 'info is required: invalid argument', { layer: 'lifecycle' });
      return { info: infoMessage(contentIn(scopeOf(call)).update(parseDigest(info.digest), info.labels, updateMask?.paths)) };
    },

    async *list({ filters }, call) {
      const infos = contentIn(scopeOf(call)).list(filters);
      for (let at = 0; at < infos.length; at += LIST_CHUNK) yield { info: infos.slice(at, at + LIST_CHUNK).map(infoMessage) };
    },

    delete({ digest }, call) {
      contentIn(scopeOf(call)).delete(parseDigest(digest));
      return {};
    },

    async *read({ digest, offset, size }, call) {
      await using blob = await contentIn(scopeOf(call)).open(parseDigest(digest));
      if (offset < 0) throw new EngineError('OutOfRange', `read before the beginning: offset ${offset}`, { layer: 'lifecycle' });
      if (offset > blob.size) throw new EngineError('OutOfRange', `read past object length ${blob.size} bytes`, { layer: 'lifecycle' });
      const end = size > 0 ? Math.min(offset + size, blob.size) : blob.size;
      for (let at = offset; at < end; ) {
        const buffer = Buffer.allocUnsafe(Math.min(READ_CHUNK, end - at));
        const length = await blob.read(buffer, at);
        if (length === 0) return;
        yield { offset: at, data: buffer.subarray(0, length) };
        at += length;
      }
    },

    status: ({ ref }, call) => ({ status: statusMessage(contentIn(scopeOf(call)).status(ref)) }),

    listStatuses: ({ filters }, call) => ({ statuses: contentIn(scopeOf(call)).statuses(filters).map(statusMessage) }),

    write: (requests, call) => write(contentIn(scopeOf(call)), requests, contentFileOf(call.metadata)),

    async abort({ ref }, call) {
      await contentIn(scopeOf(call)).abort(ref);
      return {};
    },
  };
}

/** `file` has the bytes, as far as the client knows; whether it was taken, the offset of the first answer says. */
async function* write(
  content: Content,
  requests: AsyncIterable<WriteContentRequest>,
  file: string | undefined,
): AsyncGenerator<WriteContentResponse> {
  let writer: ContentWriter | undefined;
  let expected: Digest | undefined;
  let total = 0;
  try {
    for await (const request of requests) {
      if (request.expected) expected = parseDigest(request.expected);
      if (request.total > 0) total = request.total;
      if (!writer) {
        if (!request.ref) throw new EngineError('InvalidArgument', 'first message must have a reference', { layer: 'lifecycle' });
        writer = await content.writer({ ref: request.ref, total, expected });
        if (file !== undefined) await writer.take(file);
      } else if (request.expected && expected && content.has(expected)) {
        // Somebody else brought the blob meanwhile: what this writer has is not needed any more.
        await writer.discard();
        throw new EngineError('AlreadyExists', `blob with expected digest ${expected} exists`, { layer: 'lifecycle' });
      }
      const answer = await step(writer, request, total, expected);
      yield answer;
      if (request.action === WriteAction.COMMIT) return;
    }
  } finally {
    await writer?.close();
  }
}

async function step(
  writer: ContentWriter,
  request: WriteContentRequest,
  total: number,
  expected: Digest | undefined,
): Promise<WriteContentResponse> {
  const { startedAt, updatedAt } = writer.status();
  const times = { startedAt: timestampOf(startedAt.getTime()), updatedAt: timestampOf(updatedAt.getTime()) };
  if (request.action === WriteAction.STAT)
    return { action: request.action, ...times, offset: writer.offset, total, digest: writer.digest() };
  if (request.offset > 0 && request.offset !== writer.offset) {
    throw new EngineError('OutOfRange', `write @${request.offset} must occur at current offset ${writer.offset}`, { layer: 'lifecycle' });
  }
  // Offset 0 means "from the beginning", whatever an earlier session left; a commit without data means what is there.
  if (request.offset === 0 && writer.offset > 0 && (request.data.length > 0 || request.action === WriteAction.WRITE))
    await writer.truncate(0);
  if (request.data.length > 0) await writer.write(request.data);
  const { offset } = writer;
  if (request.action === WriteAction.WRITE) return { action: request.action, offset, total, digest: writer.digest() };
  const digest = await writer.commit({ size: total, digest: expected, labels: request.labels });
  return { action: request.action, ...times, offset, total, digest };
}

function infoMessage(info: BlobInfo): Info {
  return {
    digest: info.digest,
    size: info.size,
    createdAt: timestampOf(info.createdAt.getTime()),
    updatedAt: timestampOf(info.updatedAt.getTime()),
    labels: info.labels,
  };
}

function statusMessage(status: IngestStatus): Status {
  return {
    ref: status.ref,
    offset: status.offset,
    total: status.total,
    expected: status.expected ?? '',
    startedAt: timestampOf(status.startedAt.getTime()),
    updatedAt: timestampOf(status.updatedAt.getTime()),
  };
}
