import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'
import { write, writeBlock, type Wanted } from './emit.ts'
import {
  asMap,
  column,
  endOf,
  isFlow,
  lineEnd,
  lineStart,
  nodeAt,
  pairOf,
  readSource,
  startOf,
  type Json,
  type Path,
  type Source,
} from './source.ts'

/** Change replaces a part of a text. */
export interface Change {
  readonly from: number
  readonly to: number
  readonly insert: string
}

/** The order in which keys are written if nobody has chosen another one. */
const orders: readonly (readonly string[])[] = [
  ['saga', 'name', 'title', 'description', 'input', 'deadline', 'onDeadline', 'steps', 'output'],
  [
    'id',
    'title',
    'description',
    'after',
    'when',
    'forEach',
    'call',
    'message',
    'worker',
    'subSaga',
    'timer',
    'signal',
    'approval',
    'choice',
    'repeat',
    'result',
    'output',
    'timeout',
    'retry',
    'onRefused',
    'pivot',
    'readOnly',
    'compensate',
  ],
  ['method', 'url', 'headers', 'body'],
]

/** Editing changes a text by small changes, so that comments, order and the way of writing stay as they are. Changes
 * build on one another: each is one of the text that those before it have left. */
export class Editing {
  source: Source
  readonly changes: Change[] = []

  constructor(text: string) {
    this.source = readSource(text)
  }

  get text(): string {
    return this.source.text
  }

  get value(): Json | undefined {
    return this.source.value
  }

  /** apply carries out changes that do not overlap, of the text as it is now. */
  apply(changes: readonly Change[]): void {
    let text = this.source.text
    for (const change of [...changes].sort((a, b) => b.from - a.from)) {
      text = text.slice(0, change.from) + change.insert + text.slice(change.to)
      this.changes.push(change)
    }
    if (changes.length > 0) this.source = readSource(text)
  }

  /** put has a value stand at a path. What is the same already is left alone; undefined removes it. */
  put(path: Path, value: Json | undefined): void {
    const node = nodeAt(this.source.root, path)
    if (value === undefined) {
      this.remove(path)
      return
    }
    const there = node?.toJSON() as Json | undefined
    if (node && same(there, value)) return
    const wanted = asMap(value)
    if (isMap(node) && wanted && node.items.length > 0 && Object.keys(wanted).length > 0) {
      const old = asMap(there) ?? {}
      for (const key of Object.keys(old)) if (!(key in wanted)) this.remove([...path, key])
      for (const [key, each] of Object.entries(wanted)) this.put([...path, key], each)
      return
    }
    if (isSeq(node) && Array.isArray(value) && node.items.length > 0 && value.length > 0) {
      for (let i = node.items.length - 1; i >= value.length; i--) this.remove([...path, i])
      value.forEach((each, i) =>
        i < node.items.length ? this.put([...path, i], each) : this.insert(path, i, each),
      )
      return
    }
    this.replace(path, value)
  }

  /** insert puts an item into a list, which is made if it is missing. */
  insert(path: Path, at: number, value: Json): void {
    const seq = nodeAt(this.source.root, path)
    if (!isSeq(seq) || seq.items.length === 0) {
      this.replace(path, [value])
      return
    }
    this.apply([
      isFlow(seq) ? this.intoFlow(seq, at, this.flowItem(seq, value)) : this.intoBlock(seq, at, value),
    ])
  }

  /** remove takes away a key of a map or an item of a list, with the comment that stands right above it. */
  remove(path: Path): void {
    const holder = nodeAt(this.source.root, path.slice(0, -1))
    const key = path.at(-1)
    if (isMap(holder)) {
      const at = holder.items.findIndex((pair) => isScalar(pair.key) && String(pair.key.value) === String(key))
      if (at >= 0) this.apply([this.cut(holder, at, holder.items.map(spanOfPair))])
    } else if (isSeq(holder) && typeof key === 'number' && key < holder.items.length) {
      this.apply([
        this.cut(
          holder,
          key,
          holder.items.map((each) => spanOf(each as Node)),
        ),
      ])
    }
  }

  private replace(path: Path, value: Json): void {
    if (path.length === 0) {
      const insert = write(value, { ...this.base(), before: Infinity }).text
      this.apply([{ from: 0, to: this.text.length, insert: `${insert}\n` }])
      return
    }
    const holder = nodeAt(this.source.root, path.slice(0, -1))
    const key = path.at(-1)!
    if (isMap(holder) && (holder.items.length > 0 || isFlow(holder))) {
      const pair = pairOf(holder, String(key))
      this.apply([pair ? this.replacePair(holder, pair, value) : this.addPair(holder, String(key), value)])
    } else if (isSeq(holder) && typeof key === 'number') {
      const item = holder.items[key] as Node | undefined
      if (!item) this.insert(path.slice(0, -1), key, value)
      else this.apply([this.replaceItem(holder, item, value)])
    } else {
      this.replace(path.slice(0, -1), typeof key === 'number' ? [value] : { [key]: value })
    }
  }

  private base(): Wanted {
    return {
      format: this.source.format,
      oneLine: false,
      flow: this.source.format === 'json',
      indent: 0,
      before: 0,
    }
  }

  private replacePair(map: YAMLMap, pair: Pair<Node, Node | null>, value: Json): Change {
    const { text } = this
    const keyStart = startOf(pair.key)
    const flow = isFlow(map)
    const indent = flow ? indentOf(text, keyStart) : column(text, keyStart)
    const colon = text.indexOf(':', endOf(pair.key))
    const before = column(text, colon) + 2
    const oneLine = flow && this.inOneLine(map)
    const written = write(value, {
      ...this.base(),
      flow,
      oneLine,
      indent: flow ? indent : indent + 2,
      before,
    })
    const old = pair.value
    const plain = old && isScalar(old) && (old.range?.[1] ?? 0) > (old.range?.[0] ?? 0) && !written.block
    if (plain && !String(old.type).startsWith('BLOCK'))
      return { from: startOf(old), to: endOf(old), insert: written.text }
    const end = old ? Math.max(endOf(old), colon + 1) : colon + 1
    const trimmed = trimEnd(text, colon + 1, end)
    const insert = written.block ? `\n${' '.repeat(indent + 2)}${written.text}` : ` ${written.text}`
    return { from: colon + 1, to: trimmed, insert }
  }

  private replaceItem(seq: YAMLSeq, item: Node, value: Json): Change {
    const from = startOf(item)
    const flow = isFlow(seq)
    const at = column(this.text, from)
    const wanted = { ...this.base(), flow, oneLine: flow && this.inOneLine(seq), indent: at, before: at }
    const to = trimEnd(this.text, from, endOf(item))
    return { from, to, insert: write(value, wanted).text }
  }

  private addPair(map: YAMLMap, key: string, value: Json): Change {
    const keys = map.items.map((pair) => (isScalar(pair.key) ? String(pair.key.value) : ''))
    const at = placeFor(key, keys)
    if (isFlow(map)) {
      const oneLine = this.inOneLine(map)
      const first = map.items[0]?.key as Node | undefined
      const indent = first ? indentOf(this.text, startOf(first)) : indentOf(this.text, startOf(map)) + 2
      const name = this.source.format === 'json' ? JSON.stringify(key) : key
      const written = write(value, { ...this.base(), flow: true, oneLine, indent, before: 0 })
      return this.intoFlow(map, at, `${name}: ${written.text}`)
    }
    const spans = map.items.map(spanOfPair)
    const indent = column(this.text, spans[0]!.from)
    const written = write(value, { ...this.base(), indent: indent + 2, before: indent + key.length + 2 })
    const pair = `${key}:${written.block ? `\n${' '.repeat(indent + 2)}` : ' '}${written.text}`
    if (at === 0) return { from: spans[0]!.from, to: spans[0]!.from, insert: `${pair}\n${' '.repeat(indent)}` }
    const from = lineEnd(this.text, trimEnd(this.text, spans[at - 1]!.from, spans[at - 1]!.to))
    return { from, to: from, insert: `\n${' '.repeat(indent)}${pair}` }
  }

  private flowItem(seq: YAMLSeq, value: Json): string {
    const indent = indentOf(this.text, startOf(seq.items[0] as Node))
    return write(value, { ...this.base(), flow: true, oneLine: this.inOneLine(seq), indent, before: 0 }).text
  }

  /** intoFlow puts a text between the items in brackets, in a line of its own if the others have lines of their own. */
  private intoFlow(node: YAMLMap | YAMLSeq, at: number, insert: string): Change {
    const spans = isMap(node) ? node.items.map(spanOfPair) : node.items.map((each) => spanOf(each as Node))
    const inside = startOf(node) + 1
    if (spans.length === 0) {
      const lines = this.source.format === 'json' && this.text.slice(startOf(node)).startsWith('{')
      if (!lines || this.inOneLine(node)) return { from: inside, to: endOf(node) - 1, insert }
    }
    const first = spans[0] ?? { from: inside, to: inside }
    const alone = lineStart(this.text, first.from) > startOf(node)
    const between = alone ? `\n${' '.repeat(indentOf(this.text, first.from))}` : ' '
    if (at === 0) return { from: first.from, to: first.from, insert: `${insert},${between}` }
    const from = spans[at - 1]!.to
    return { from, to: from, insert: `,${between}${insert}` }
  }

  private intoBlock(seq: YAMLSeq, at: number, value: Json): Change {
    const { text } = this
    const spans = seq.items.map((each) => spanOf(each as Node))
    const dash = column(text, dashOf(text, spans[0]!.from))
    const space = ' '.repeat(dash)
    const body =
      typeof value === 'object' && value !== null && Object.keys(value).length > 0
        ? writeBlock(value, dash + 2)
        : write(value, { ...this.base(), indent: dash + 2, before: dash + 2 }).text
    const apart = spans.length > 1 && blankBetween(text, spans[0]!.to, spans[1]!.from) ? '\n' : ''
    if (at === 0) {
      const from = this.withComments(dashOf(text, spans[0]!.from))
      return { from, to: from, insert: `${space}- ${body}\n${apart}` }
    }
    const before = spans[Math.min(at, spans.length) - 1]!
    const from = lineEnd(text, trimEnd(text, before.from, before.to))
    return { from, to: from, insert: `\n${apart}${space}- ${body}` }
  }

  private inOneLine(node: YAMLMap | YAMLSeq): boolean {
    return !this.text.slice(startOf(node), endOf(node)).includes('\n') && column(this.text, startOf(node)) > 0
  }

  /** cut takes an item out of a collection. */
  private cut(node: YAMLMap | YAMLSeq, at: number, spans: readonly Span[]): Change {
    const { text } = this
    const span = spans[at]!
    const next = spans[at + 1]
    const before = spans[at - 1]
    if (isFlow(node)) {
      if (next) return { from: span.from, to: next.from, insert: '' }
      if (before) return { from: before.to, to: span.to, insert: '' }
      return { from: startOf(node) + 1, to: endOf(node) - 1, insert: '' }
    }
    if (spans.length === 1) {
      return {
        from: isSeq(node) ? dashOf(text, span.from) : span.from,
        to: trimEnd(text, span.from, span.to),
        insert: isSeq(node) ? '[]' : '{}',
      }
    }
    const start = isSeq(node) ? dashOf(text, span.from) : span.from
    const ownLine = text.slice(lineStart(text, start), start).trim() === ''
    if (!ownLine) {
      // The first key stands behind the dash of a list: the next one takes its place.
      return { from: start, to: isSeq(node) ? dashOf(text, next!.from) : next!.from, insert: '' }
    }
    const from = this.withComments(start)
    if (next) {
      const nextStart = isSeq(node) ? dashOf(text, next.from) : next.from
      return { from, to: this.withComments(nextStart), insert: '' }
    }
    const end = lineEnd(text, trimEnd(text, span.from, span.to))
    const above = lineEnd(text, trimEnd(text, before!.from, before!.to))
    return { from: Math.min(above, from), to: end, insert: '' }
  }

  /** withComments is where the lines begin that belong to what begins in a line: itself, and comments right above. */
  private withComments(at: number): number {
    const { text } = this
    const own = column(text, at)
    let start = lineStart(text, at)
    while (start > 0) {
      const above = lineStart(text, start - 1)
      const line = text.slice(above, start - 1)
      if (!line.trimStart().startsWith('#') || line.length - line.trimStart().length < own || above === 0) break
      start = above
    }
    return start
  }
}

interface Span {
  readonly from: number
  readonly to: number
}

function spanOf(node: Node): Span {
  return { from: startOf(node), to: endOf(node) }
}

function spanOfPair(pair: unknown): Span {
  const { key, value } = pair as Pair<Node, Node | null>
  return { from: startOf(key), to: Math.max(endOf(key), endOf(value)) }
}

/** dashOf is where the dash before an item of a list stands. */
function dashOf(text: string, at: number): number {
  return text.lastIndexOf('-', at - 1)
}

/** indentOf is by how much the line at a place is indented. */
function indentOf(text: string, at: number): number {
  return /^[ \t]*/.exec(text.slice(lineStart(text, at)))![0].length
}

function trimEnd(text: string, from: number, to: number): number {
  let end = to
  while (end > from && /\s/.test(text[end - 1]!)) end--
  return end
}

function blankBetween(text: string, from: number, to: number): boolean {
  return /\n[ \t]*\n/.test(text.slice(from, to))
}

/** placeFor is where a key goes among those that there are. */
function placeFor(key: string, keys: readonly string[]): number {
  const order = orders.find((each) => each.includes(key) && keys.every((k) => each.includes(k)))
  if (!order) return keys.length
  const rank = order.indexOf(key)
  let at = 0
  keys.forEach((each, i) => {
    if (order.indexOf(each) < rank) at = i + 1
  })
  return at
}

/** same compares two values of JSON; the order of keys does not matter. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  const right = b as Record<string, Json>
  return (
    left.length === Object.keys(right).length &&
    left.every(([key, value]) => key in right && same(value, right[key]))
  )
}
