// Go's text/template as far as --format uses it: actions, pipelines, if/else, range, with, variables, comments, trimming.
// Text in, tree out; template.ts walks the tree.
import { EngineError } from '@berth/errdefs/engine-error';

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'output'; pipeline: Pipeline }
  | { kind: 'assign'; name: string; pipeline: Pipeline }
  | { kind: 'if' | 'with'; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: 'range'; key?: string; value?: string; pipeline: Pipeline; body: Node[]; otherwise: Node[] };

/** Commands joined by `|`: each gets the result of the one before as its last argument. */
export type Pipeline = Term[][];

export type Term =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'field'; path: string[]; place: Place }
  | { kind: 'variable'; name: string; path: string[]; place: Place }
  | { kind: 'function'; name: string }
  | { kind: 'group'; pipeline: Pipeline; path: string[]; place: Place };

/** Where in the template a term stands, for errors: its line from 1, its column from 0. */
export interface Place {
  line: number;
  column: number;
  text: string;
}

interface Word {
  text: string;
  at: number;
}

const TOKEN =
  /\s+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|-?\d+(?:\.\d+)?|\$[A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\.|[A-Za-z_][A-Za-z0-9_]*|:=|[|(),=]/y;

/** `functions`: those that there are, any other name is an error. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Node[] {
  return new TemplateParser(source, functions).parse();
}

/** A template that is none; docker's own words follow, which callers put theirs before. */
export class TemplateSyntaxError extends EngineError {
  constructor(line: number, why: string) {
    super('InvalidArgument', `template: :${line}: ${why}`, { layer: 'cli' });
  }
}

interface Block {
  node: Extract<Node, { body: Node[] }>;
  /** How many `end`s this block closes with: an `else if` nests without an `end` of its own. */
  chained: boolean;
  inElse: boolean;
}

class TemplateParser {
  readonly #source: string;
  readonly #root: Node[] = [];
  readonly #open: Block[] = [];
  readonly #functions: ReadonlySet<string>;
  /** How far the source was read. */
  #at = 0;

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#source = source;
    this.#functions = functions;
  }

  parse(): Node[] {
    while (this.#at < this.#source.length) {
      const start = this.#source.indexOf('{{', this.#at);
      if (start < 0) {
        this.#text(this.#source.slice(this.#at));
        break;
      }
      const end = this.#source.indexOf('}}', start);
      let text = this.#source.slice(this.#at, start);
      this.#at = start;
      if (end < 0) throw this.#fail('unclosed action');
      let from = start + 2;
      let to = end;
      if (/^-\s/.test(this.#source.slice(from, from + 2))) {
        text = text.trimEnd();
        from++;
      }
      this.#text(text);
      let next = end + 2;
      if (/\s-$/.test(this.#source.slice(to - 2, to))) {
        to--;
        while (/\s/.test(this.#source[next] ?? '')) next++;
      }
      if (!this.#source.slice(from, to).trim().startsWith('/*')) this.#action(this.#words(from, to));
      this.#at = next;
    }
    if (this.#open.length > 0) throw this.#fail('unexpected EOF');
    return this.#root;
  }

  #fail(why: string): TemplateSyntaxError {
    return new TemplateSyntaxError(this.#source.slice(0, this.#at).split('\n').length, why);
  }

  get #target(): Node[] {
    const block = this.#open.at(-1);
    if (!block) return this.#root;
    return block.inElse ? block.node.otherwise : block.node.body;
  }

  #text(text: string): void {
    if (text) this.#target.push({ kind: 'text', text });
  }

  #action(words: Word[]): void {
    const first = words[0]?.text;
    switch (first) {
      case undefined:
        throw this.#fail('missing value for command');
      case 'if':
      case 'with':
        this.#block({ kind: first, pipeline: this.#pipeline(words.slice(1)), body: [], otherwise: [] });
        return;
      case 'range':
        this.#block(this.#range(words.slice(1)));
        return;
      case 'else':
        this.#else(words.slice(1));
        return;
      case 'end':
        if (this.#open.length === 0) throw this.#fail('unexpected {{end}}');
        while (this.#open.pop()?.chained) {
          // An else-if chain ends as one.
        }
        return;
    }
    if (first.startsWith('$') && (words[1]?.text === ':=' || words[1]?.text === '=')) {
      this.#target.push({ kind: 'assign', name: first, pipeline: this.#pipeline(words.slice(2)) });
      return;
    }
    this.#target.push({ kind: 'output', pipeline: this.#pipeline(words) });
  }

  #block(node: Block['node'], chained = false): void {
    this.#target.push(node);
    this.#open.push({ node, chained, inElse: false });
  }

  #else(words: Word[]): void {
    const block = this.#open.at(-1);
    if (!block || block.inElse) throw this.#fail('unexpected {{else}}');
    block.inElse = true;
    const kind = words[0]?.text;
    if (kind === 'if' || kind === 'with') this.#block({ kind, pipeline: this.#pipeline(words.slice(1)), body: [], otherwise: [] }, true);
  }

  #range(words: Word[]): Extract<Node, { kind: 'range' }> {
    const node: Extract<Node, { kind: 'range' }> = { kind: 'range', pipeline: [], body: [], otherwise: [] };
    const assign = words.findIndex(({ text }) => text === ':=');
    if (assign > 0) {
      const names = words.slice(0, assign).flatMap(({ text }) => (text === ',' ? [] : [text]));
      if (names.length === 2) node.key = names[0] as string;
      node.value = names.at(-1) as string;
    }
    node.pipeline = this.#pipeline(words.slice(assign + 1));
    return node;
  }

  #pipeline(words: Word[]): Pipeline {
    const commands: Pipeline = [[]];
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as Word;
      const command = commands.at(-1) as Term[];
      if (word.text === '|') {
        if (command.length === 0) throw this.#fail('missing value for command');
        commands.push([]);
      } else if (word.text === '(') {
        const close = closing(words, at);
        if (close < 0) throw this.#fail('unclosed left paren');
        const next = words[close + 1];
        const path = next?.text.startsWith('.') && next.text.length > 1 ? next.text.slice(1).split('.') : [];
        command.push({ kind: 'group', pipeline: this.#pipeline(words.slice(at + 1, close)), path, place: this.#place(next ?? word) });
        at = close + (path.length > 0 ? 1 : 0);
      } else command.push(this.#term(word));
    }
    if (commands.some((command) => command.length === 0)) throw this.#fail('missing value for command');
    return commands;
  }

  #term(word: Word): Term {
    const { text } = word;
    if (text.startsWith('"')) return { kind: 'literal', value: unquote(text) };
    if (text.startsWith('`')) return { kind: 'literal', value: text.slice(1, -1) };
    if (/^-?\d/.test(text)) return { kind: 'literal', value: Number(text) };
    if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
    if (text === 'nil') return { kind: 'literal', value: null };
    if (text === '.') return { kind: 'field', path: [], place: this.#place(word) };
    if (text.startsWith('.')) return { kind: 'field', path: text.slice(1).split('.'), place: this.#place(word) };
    if (text.startsWith('$')) {
      const [name, ...path] = text.split('.');
      return { kind: 'variable', name: name as string, path, place: this.#place(word) };
    }
    if (!/^[A-Za-z_]/.test(text)) throw this.#fail(`unexpected ${JSON.stringify(text)} in operand`);
    if (!this.#functions.has(text)) throw this.#fail(`function ${JSON.stringify(text)} not defined`);
    return { kind: 'function', name: text };
  }

  #place({ text, at }: Word): Place {
    const before = this.#source.slice(0, at);
    return { line: before.split('\n').length, column: at - (before.lastIndexOf('\n') + 1), text };
  }

  #words(from: number, to: number): Word[] {
    const found: Word[] = [];
    TOKEN.lastIndex = from;
    while (TOKEN.lastIndex < to) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(this.#source);
      if (!match) throw this.#fail(`unexpected ${JSON.stringify(this.#source[at])} in command`);
      if (match[0].trim()) found.push({ text: match[0], at });
    }
    return found;
  }
}

function closing(words: Word[], open: number): number {
  let depth = 0;
  for (let at = open; at < words.length; at++) {
    if (words[at]?.text === '(') depth++;
    if (words[at]?.text === ')' && --depth === 0) return at;
  }
  return -1;
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', a: '\x07', b: '\b', f: '\f', v: '\v' };

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/g, (_, code: string) =>
      /^[xu]./.test(code) ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    );
}
