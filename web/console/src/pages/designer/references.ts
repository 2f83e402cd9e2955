import { isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from 'yaml'
import type { Change } from './editing.ts'
import { rewriteScalar } from './emit.ts'
import { endOf, isFlow, startOf, type Path, type Source } from './source.ts'

/** Keys whose texts are expressions as a whole, with or without ${ } around them. */
const expressions = new Set(['when', 'in', 'until'])

/** Visited is a text of the definition. */
interface Visited {
  readonly node: Scalar
  readonly path: Path
  readonly inFlow: boolean
}

/** textsOf lists all texts of the steps and of the output, which are where expressions may stand. */
function textsOf(source: Source): Visited[] {
  const out: Visited[] = []
  const walk = (node: Node | null | undefined, path: Path, inFlow: boolean): void => {
    if (isScalar(node)) out.push({ node: node as Scalar, path, inFlow })
    else if (isMap(node)) {
      for (const pair of node.items as Pair<Node, Node | null>[]) {
        if (isScalar(pair.key)) walk(pair.value, [...path, String(pair.key.value)], inFlow || isFlow(node))
      }
    } else if (isSeq(node))
      node.items.forEach((item, i) => walk(item as Node, [...path, i], inFlow || isFlow(node)))
  }
  if (!isMap(source.root)) return out
  for (const pair of source.root.items as Pair<Node, Node | null>[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : ''
    if (key === 'steps' || key === 'output') walk(pair.value, [key], isFlow(source.root))
  }
  return out
}

/** rewriteTexts returns the changes that have each text become what a function says; the way of writing stays. */
function rewriteTexts(source: Source, become: (text: string, path: Path) => string): Change[] {
  const changes: Change[] = []
  for (const { node, path, inFlow } of textsOf(source)) {
    if (typeof node.value !== 'string') continue
    const next = become(node.value, path)
    if (next === node.value) continue
    const from = startOf(node)
    const to = endOf(node)
    const type = node.type ?? undefined
    if (type?.startsWith('BLOCK')) {
      const raw = source.text.slice(from, to)
      const insert = become(raw, path)
      if (insert !== raw) changes.push({ from, to, insert })
      continue
    }
    changes.push({ from, to, insert: rewriteScalar(next, type, source.format, inFlow) })
  }
  return changes
}

/** renameStepIn returns the changes by which a step has another id, and all that speaks of it, too. */
export function renameStepIn(source: Source, from: string, to: string): Change[] {
  return rewriteTexts(source, (text, path) => {
    const place = placeOfText(path)
    if (place === 'id') return text === from ? to : text
    if (place === 'edge') return renameEdge(text, from, to)
    if (place === 'catch') return text === from ? to : text
    return inExpressions(text, path, (expression) => renameInExpression(expression, from, to))
  })
}

/** renameCaseIn does the same for a case of a choice. */
export function renameCaseIn(source: Source, step: string, index: number, from: string, to: string): Change[] {
  return rewriteTexts(source, (text, path) => {
    if (path[0] === 'steps' && path[2] === 'choice') {
      const mine = path[1] === index
      const named = (path[3] === 'cases' && path[5] === 'case') || path[3] === 'else'
      if (mine && named && text === from) return to
      if (named) return text
    }
    if (placeOfText(path) === 'edge') return text === `${step}.${from}` ? `${step}.${to}` : text
    return inExpressions(text, path, (expression) => renameCaseInExpression(expression, step, from, to))
  })
}

/** placeOfText says what a text is to the language. */
function placeOfText(path: Path): 'id' | 'edge' | 'catch' | 'other' {
  if (path[0] !== 'steps') return 'other'
  if (path.length === 3 && path[2] === 'id') return 'id'
  if (path[2] === 'after' && path.length <= 4) return 'edge'
  if (path.length === 3 && path[2] === 'onRefused') return 'catch'
  return 'other'
}

/** renameEdge renames the step of an edge, "way" or "way.card". */
export function renameEdge(edge: string, from: string, to: string): string {
  if (edge === from) return to
  return edge.startsWith(`${from}.`) ? to + edge.slice(from.length) : edge
}

/** inExpressions rewrites the expressions of a text and leaves the rest: ${ } in templates, or all of a condition. */
function inExpressions(text: string, path: Path, become: (expression: string) => string): string {
  if (expressions.has(String(path.at(-1))) && !text.includes('${')) return become(text)
  return mapTemplates(text, become)
}

/** mapTemplates rewrites what stands in ${ } of a text; $${ is no begin of one. */
export function mapTemplates(text: string, become: (expression: string) => string): string {
  let out = ''
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('${', at)
    if (open < 0) break
    if (text[open - 1] === '$' && open > at) {
      out += text.slice(at, open + 2)
      at = open + 2
      continue
    }
    const close = closing(text, open + 2)
    if (close < 0) break
    out += text.slice(at, open + 2) + become(text.slice(open + 2, close)) + '}'
    at = close + 1
  }
  return out + text.slice(at)
}

/** closing finds the bracket that ends an expression; those in its texts and maps do not count. */
function closing(text: string, from: number): number {
  let depth = 0
  for (let i = from; i < text.length; i++) {
    const c = text[i]!
    if (c === '"' || c === "'" || c === '`') {
      const end = endOfQuoted(text, i)
      if (end < 0) return -1
      i = end
    } else if (c === '{') depth++
    else if (c === '}') {
      if (depth === 0) return i
      depth--
    }
  }
  return -1
}

function endOfQuoted(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\' && text[from] !== '`') i++
    else if (text[i] === text[from]) return i
  }
  return -1
}

const quoted = String.raw`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|` + '`[^`]*`'
const simple = /^[a-zA-Z_]\w*$/

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}

/** reading matches how an expression reads a step: steps.ID or steps["ID"]. Group 1 is the whole of it; texts in
 * quotes match without the group, so that what they say stays. */
function reading(id: string): string {
  const name = escape(id)
  return String.raw`(?<![\w.])(steps\s*(?:\??\.\s*${name}(?![\w-])|(?:\?\.)?\s*\[\s*(?:"${name}"|'${name}')\s*\]))`
}

/** renameInExpression renames a step where an expression reads it. */
export function renameInExpression(expression: string, from: string, to: string): string {
  return expression.replaceAll(
    new RegExp(`${reading(from)}|${quoted}`, 'g'),
    (whole: string, read?: string) => {
      if (!read) return whole
      const quote = read.includes('"') ? '"' : "'"
      if (read.includes('['))
        return read.replace(new RegExp(`["']${escape(from)}["']`), `${quote}${to}${quote}`)
      if (simple.test(to)) return read.slice(0, read.length - from.length) + to
      return `steps["${to}"]`
    },
  )
}

/** renameCaseInExpression renames a case where an expression compares with it. */
export function renameCaseInExpression(expression: string, step: string, from: string, to: string): string {
  const read = reading(step).replace('(steps', '(?:steps')
  const compared = String.raw`(${read}\??\.case\s*(?:==|!=)\s*)(["'])${escape(from)}\2`
  return expression.replaceAll(
    new RegExp(compared, 'g'),
    (_whole, before: string, quote: string) => before + quote + to + quote,
  )
}

/** readsOf returns the ids of the steps that the expressions of a text read. */
export function readsOf(text: string): string[] {
  const out = new Set<string>()
  const pattern = /(?<![\w.])steps\s*(?:\??\.\s*([a-zA-Z]\w*)|\[\s*["']([\w-]+)["']\s*\])/g
  for (const match of text.matchAll(pattern)) out.add(match[1] ?? match[2] ?? '')
  return [...out]
}
