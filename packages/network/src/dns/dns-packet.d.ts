// The part of dns-packet that Berth uses; the package carries no types of its own.
declare module 'dns-packet' {
  export interface Question {
    name: string;
    /** A, AAAA, PTR, … */
    type: string;
    class?: string;
  }
  export interface Answer {
    type: 'A' | 'AAAA' | 'PTR';
    name: string;
    ttl: number;
    data: string;
  }
  export interface DecodedPacket {
    type: 'query' | 'response';
    id: number;
    flag_rd?: boolean;
    questions?: Question[];
    answers?: Answer[];
  }
  export interface Packet {
    type: 'query' | 'response';
    id: number;
    flags: number;
    questions: Question[];
    answers?: Answer[];
  }
  /** Throws on what is no DNS message. */
  export function decode(message: Buffer): DecodedPacket;
  export function encode(packet: Packet): Buffer;
}
