// What generated modules export for each message and each service, and the two functions that make it.
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** A message as it is given to encode(): whatever is left out has its default. */
export type Init<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Init<Item>[]
    : { readonly [Key in keyof T]?: Init<T[Key]> };

export interface MessageType<T> {
  /** With its package, e.g. containerd.types.Mount: also the typeurl of containerd's Any. */
  readonly fullName: string;
  encode(message: Init<T>): Uint8Array;
  /** Every field is there: scalars with their defaults, lists and maps empty, messages undefined. Throws InvalidArgument. */
  decode(bytes: Uint8Array): T;
  /** The fields alone, without a length: what generated code nests. */
  write(writer: Writer, message: Init<T>): void;
  read(reader: Reader): T;
}

export interface MethodType<Request, Response> {
  /** As on the wire, e.g. CloseIO. */
  readonly name: string;
  /** gRPC's path, /package.Service/Method. */
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export interface ServiceType {
  /** With its package, e.g. containerd.services.tasks.v1.Tasks. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the messages are the methods' own business
  readonly methods: { readonly [method: string]: MethodType<any, any> };
}

/** Makes of a generated pair of functions what callers use. `write` leaves defaults out; `read` takes fields in any order. */
export function messageType<T>(
  fullName: string,
  write: (writer: Writer, message: Init<T>) => void,
  read: (reader: Reader) => T,
): MessageType<T> {
  return {
    fullName,
    write,
    read,
    encode(message) {
      const writer = new Writer();
      write(writer, message);
      return writer.finish();
    },
    decode(bytes) {
      return read(new Reader(bytes));
    },
  };
}

/** The numbers of a packed list, which an encoder may also have written one by one. */
export function readPacked<T>(reader: Reader, into: T[], one: () => T): void {
  reader.nested((inner) => {
    while (inner.position < inner.end) into.push(one());
  });
}
