import { Document, isCollection, visit } from 'yaml'
import type { Format, Json } from './source.ts'

const lineMax = 100

/** Wanted is how a value is written at its place. */
export interface Wanted {
  readonly format: Format
  /** All in one line, because what is around it is. */
  readonly oneLine: boolean
  /** In brackets, because what is around it is. */
  readonly flow: boolean
  /** The column at which the lines of a block begin. */
  readonly indent: number
  /** How much stands before it in its line. */
  readonly before: number
}

/** Written is a text for a value; block says that it begins in a line of its own. */
export interface Written {
  readonly text: string
  readonly block: boolean
}

/** write writes a value as it would be written by hand at its place. Lines after the first are indented. */
export function write(value: Json, wanted: Wanted): Written {
  if (wanted.format === 'json') return { text: writeJson(value, wanted), block: false }
  const line = yamlLine(value)
  if (wanted.flow || typeof value !== 'object' || value === null || empty(value)) {
    return { text: wanted.flow ? line : scalarBlock(value, line, wanted.indent), block: false }
  }
  if (wanted.before + line.length <= lineMax) return { text: line, block: false }
  return { text: writeBlock(value, wanted.indent), block: true }
}

function empty(value: object): boolean {
  return Object.keys(value).length === 0
}

/** scalarBlock writes a text outside of brackets, where fewer need quotes. */
function scalarBlock(value: Json, line: string, indent: number): string {
  if (typeof value !== 'string') return line
  const lines = value.replace(/\n$/, '').split('\n')
  if (lines.length > 1 && !/^\s|[^\n\S\t ]|\n\n$/.test(value)) {
    const mark = value.endsWith('\n') ? '|' : '|-'
    return [mark, ...lines.map((each) => (each ? ' '.repeat(indent) + each : ''))].join('\n')
  }
  if (lines.length > 1) return JSON.stringify(value)
  return new Document(value, { compat: 'yaml-1.1' }).toString({ lineWidth: 0 }).replace(/\n$/, '')
}

/** writeBlock writes a map or list over several lines. What fits into a line of its own stays in brackets. */
export function writeBlock(value: Json, indent: number): string {
  const doc = new Document(value, { compat: 'yaml-1.1' })
  visit(doc, {
    Collection(key, node, path) {
      if (key === null || path.length <= 1) return undefined
      const text = yamlLine(node.toJSON() as Json)
      const depth = path.filter((each) => isCollection(each)).length
      const name = path.at(-1)
      const before = 2 * depth + String((name as { key?: { value?: unknown } })?.key?.value ?? '').length + 2
      if (indent + before + text.length > lineMax) return undefined
      node.flow = true
      return visit.SKIP
    },
  })
  return indented(doc.toString({ lineWidth: 0, flowCollectionPadding: false }).replace(/\n$/, ''), indent)
}

/** yamlLine writes a value in one line, with brackets. */
export function yamlLine(value: Json): string {
  const doc = new Document(value, { compat: 'yaml-1.1' })
  visit(doc, {
    Collection(_key, node) {
      node.flow = true
    },
    Scalar(_key, node) {
      // A text with line breaks has quotes, because it has to be in one line.
      if (typeof node.value === 'string' && node.value.includes('\n')) node.type = 'QUOTE_DOUBLE'
    },
  })
  if (!isCollection(doc.contents)) {
    // Alone it needs fewer quotes than in brackets.
    const inList = yamlLine([value])
    return inList.slice(1, -1)
  }
  return doc
    .toString({ lineWidth: 0, flowCollectionPadding: false, doubleQuotedMinMultiLineLength: 1_000_000 })
    .trimEnd()
}

function writeJson(value: Json, wanted: Wanted): string {
  return wanted.oneLine ? jsonLine(value) : indented(JSON.stringify(value, null, 2), wanted.indent)
}

/** jsonLine writes JSON in one line with spaces. */
export function jsonLine(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonLine).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${jsonLine(each)}`)
    return `{${pairs.join(', ')}}`
  }
  return JSON.stringify(value)
}

/** indented moves all lines but the first to a column. */
function indented(text: string, columns: number): string {
  return text.replaceAll(/\n(?!\n|$)/g, `\n${' '.repeat(columns)}`)
}

/** rewriteScalar writes a text in the way in which another was written. */
export function rewriteScalar(value: string, type: string | undefined, format: Format, flow: boolean): string {
  if (format === 'json' || type === 'QUOTE_DOUBLE') return JSON.stringify(value)
  if (type === 'QUOTE_SINGLE' && !value.includes('\n')) return `'${value.replaceAll("'", "''")}'`
  return write(value, { format, oneLine: true, flow, indent: 0, before: 0 }).text
}

/** convert writes a whole definition in the other format. YAML keeps no comments on the way to JSON, which has none. */
export function convert(value: Json, to: Format): string {
  return to === 'json' ? `${JSON.stringify(value, null, 2)}\n` : `${spaced(writeBlock(value, 0))}\n`
}

/** spaced has an empty line between the steps of a text. */
function spaced(text: string): string {
  return text.replaceAll(/\n {2}- id:/g, (whole, at: number) =>
    text.slice(0, at).endsWith('steps:') ? whole : `\n${whole}`,
  )
}
