import {
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'

/** The two ways to write a definition. */
export type Format = 'yaml' | 'json'

/** Path leads to a value of the document, from its root. */
export type Path = readonly (string | number)[]

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** SyntaxProblem is a place at which the text is neither YAML nor JSON. */
export interface SyntaxProblem {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Source is a text, and what it says. The value is that of the last readable state only if there are no problems. */
export interface Source {
  readonly text: string
  readonly format: Format
  readonly root: Node | undefined
  readonly value: Json | undefined
  readonly problems: readonly SyntaxProblem[]
  readonly hasComments: boolean
}

/** readSource parses a text. It never throws. */
export function readSource(text: string): Source {
  const begins = text.trimStart().startsWith('{')
  const json = begins ? jsonOf(text) : undefined
  const doc = parseDocument(text, { prettyErrors: false, keepSourceTokens: false, logLevel: 'error' })
  // JSON may be indented by tabs, which YAML has something against.
  const errors = json?.ok ? [] : doc.errors
  const format: Format = begins && (json?.ok || errors.length > 0) ? 'json' : 'yaml'
  const problems = errors.map((error) => ({
    from: Math.min(error.pos[0], text.length),
    to: Math.min(Math.max(error.pos[1], error.pos[0] + 1), text.length),
    text: error.message,
  }))
  const root = (doc.contents ?? undefined) as Node | undefined
  return {
    text,
    format,
    root,
    value: json?.ok ? json.value : valueOf(doc),
    problems,
    hasComments: comments(doc),
  }
}

function jsonOf(text: string): { ok: true; value: Json } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(text) as Json }
  } catch {
    return { ok: false }
  }
}

function valueOf(doc: ReturnType<typeof parseDocument>): Json | undefined {
  try {
    return (doc.toJS({ maxAliasCount: 100 }) as Json | undefined) ?? undefined
  } catch {
    return undefined
  }
}

function comments(doc: ReturnType<typeof parseDocument>): boolean {
  let found = !!(doc.commentBefore || doc.comment)
  visit(doc, (_key, node) => {
    const each = node as { comment?: string | null; commentBefore?: string | null } | null
    if (each?.comment || each?.commentBefore) {
      found = true
      return visit.BREAK
    }
    return undefined
  })
  return found
}

/** nodeAt returns the node at a path; undefined if there is none. */
export function nodeAt(root: Node | undefined, path: Path): Node | undefined {
  let node: Node | undefined = root
  for (const key of path) {
    if (isMap(node)) node = (pairOf(node, String(key))?.value ?? undefined) as Node | undefined
    else if (isSeq(node) && typeof key === 'number') node = node.items[key] as Node | undefined
    else return undefined
  }
  return node
}

/** pairOf returns the pair of a map with a key. */
export function pairOf(map: YAMLMap, key: string): Pair<Node, Node | null> | undefined {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key) as
    | Pair<Node, Node | null>
    | undefined
}

/** startOf and endOf are where a node begins and ends, without the space and the comments around it. */
export function startOf(node: Node): number {
  return node.range?.[0] ?? 0
}

export function endOf(node: Node | null | undefined): number {
  if (!node) return 0
  if ((isMap(node) || isSeq(node)) && !node.flow && node.items.length > 0) {
    const last = node.items.at(-1)
    if (isPair(last)) {
      const value = last.value as Node | null
      const end = value ? endOf(value) : 0
      return Math.max(end, endOf(last.key as Node))
    }
    return endOf(last as Node)
  }
  return node.range?.[1] ?? 0
}

/** isFlow says whether a collection is written in brackets. */
export function isFlow(node: YAMLMap | YAMLSeq): boolean {
  return node.flow === true
}

/** lineStart and lineEnd are the ends of the line around a place; lineEnd is before the line break. */
export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1
}

export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

/** column counts from 0. */
export function column(text: string, at: number): number {
  return at - lineStart(text, at)
}

/** placeOf returns the offset of a line and a column that count from 1, as findings have them. */
export function placeOf(text: string, line: number, col: number): number {
  let start = 0
  for (let n = 1; n < line; n++) {
    const next = text.indexOf('\n', start)
    if (next < 0) return text.length
    start = next + 1
  }
  return Math.min(start + Math.max(0, col - 1), lineEnd(text, start))
}

/** pathAt returns the path of what stands at a place: of the key or of the value that covers it most closely. */
export function pathAt(root: Node | undefined, at: number): Path {
  const path: (string | number)[] = []
  let node: Node | undefined = root
  for (;;) {
    if (isMap(node)) {
      const map: YAMLMap = node
      const pair = map.items.find((each) => covers(each.key as Node, each.value as Node | null, at))
      if (!pair || !isScalar(pair.key)) return path
      path.push(String(pair.key.value))
      if (at <= endOf(pair.key as Node)) return path
      node = (pair.value ?? undefined) as Node | undefined
    } else if (isSeq(node)) {
      const seq: YAMLSeq = node
      const i = seq.items.findIndex((each) => covers(each as Node, each as Node, at))
      if (i < 0) return path
      path.push(i)
      node = seq.items[i] as Node | undefined
    } else return path
  }
}

function covers(first: Node, last: Node | null, at: number): boolean {
  return startOf(first) <= at && at <= Math.max(endOf(first), endOf(last))
}

/** pointerPath reads a JSON pointer, in which lists have numbers. */
export function pointerPath(pointer: string): Path {
  if (!pointer.startsWith('/')) return []
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

/** asMap returns a value if it is a map of JSON. */
export function asMap(value: Json | undefined): { [key: string]: Json } | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

/** stepList returns the steps of a definition as they are written; what is none has no id. */
export function stepList(value: Json | undefined): { [key: string]: Json }[] {
  const list = asMap(value)?.['steps']
  return Array.isArray(list) ? list.map((each) => asMap(each) ?? {}) : []
}
