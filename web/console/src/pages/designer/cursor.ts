import { keysAt, rawShapeAt, nameOfShape, valuesAt } from './language.ts'
import { asMap, stepList, type Json, type Path } from './source.ts'
import { casesOf, idsOf } from './steps.ts'

/** Spot is where the cursor stands: in the map or at the value of a path. */
export interface Spot {
  readonly path: Path
  /** Whether a key is written, or the value of the last key of the path. */
  readonly at: 'key' | 'value'
  /** Where the word under the cursor begins. */
  readonly from: number
  /** Keys that the map has already. */
  readonly taken: readonly string[]
  readonly inQuotes: boolean
}

interface Frame {
  path: (string | number)[]
  indent: number
  /** The keys seen in this map. */
  keys: string[]
}

const pair = /^(\s*)((?:- +)*)("?)([\w.-]+)\3\s*:(?:\s+|$)(.*)$/
const bare = /^(\s*)((?:- *)*)(.*)$/

/** spotAt finds out by indentation and brackets where a place is, since texts that are being written seldom parse. */
export function spotAt(text: string, at: number): Spot {
  const upTo = text.slice(0, at)
  const lineFrom = upTo.lastIndexOf('\n') + 1
  const flow = openBrackets(upTo)
  if (flow) return inFlow(text, at, flow)
  const frames = framesOf(upTo.slice(0, lineFrom))
  const line = upTo.slice(lineFrom)
  const match = pair.exec(line)
  if (match) {
    const indent = match[1]!.length + match[2]!.length
    const frame = enter(frames, indent, match[2]!, match[1]!.length)
    return {
      path: [...frame.path, match[4]!],
      at: 'value',
      from: wordFrom(text, at),
      taken: [],
      inQuotes: quotes(match[5]!),
    }
  }
  const [, space = '', dashes = '', rest = ''] = bare.exec(line) ?? []
  const indent = space.length + dashes.length
  const frame = enter(
    frames,
    rest === '' && dashes === '' ? Math.max(space.length, 0) : indent,
    dashes,
    space.length,
  )
  const taken = [...frame.keys, ...keysBelow(text, at, indent)]
  return { path: frame.path, at: 'key', from: wordFrom(text, at), taken, inQuotes: false }
}

/** framesOf reads complete lines. */
function framesOf(text: string): Frame[] {
  const frames: Frame[] = [{ path: [], indent: 0, keys: [] }]
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue
    const match = pair.exec(line)
    if (!match) {
      const [, space = '', dashes = ''] = bare.exec(line) ?? []
      if (dashes) enter(frames, space.length + dashes.length, dashes, space.length)
      continue
    }
    const indent = match[1]!.length + match[2]!.length
    const frame = enter(frames, indent, match[2]!, match[1]!.length)
    frame.keys.push(match[4]!)
    if (match[5]!.trim() === '' || match[5]!.trim().startsWith('#')) {
      frames.push({ path: [...frame.path, match[4]!], indent: indent + 1, keys: [] })
    }
  }
  return frames
}

/** enter leaves the maps that a line does not belong to, and begins an item for each dash. */
function enter(frames: Frame[], indent: number, dashes: string, outer: number): Frame {
  const start = dashes ? outer : indent
  while (frames.length > 1 && frames.at(-1)!.indent > start) {
    const last = frames.at(-1)!
    // A list may stand as far left as the key that it belongs to.
    if (dashes && last.indent === start + 1 && last.keys.length === 0) break
    frames.pop()
  }
  if (!dashes) {
    const last = frames.at(-1)!
    if (last.indent < indent && last.keys.length === 0) last.indent = indent
    return last
  }
  const list = frames.at(-1)!
  if (typeof list.path.at(-1) === 'number' && list.indent === indent) frames.pop()
  const holder = frames.at(-1)!
  const items = holder.keys.filter((key) => key === '-').length
  holder.keys.push('-')
  if (holder.indent > outer) holder.indent = outer
  const item: Frame = { path: [...holder.path, items], indent, keys: [] }
  frames.push(item)
  return item
}

/** keysBelow are the keys of the same map in the lines that follow. */
function keysBelow(text: string, at: number, indent: number): string[] {
  const out: string[] = []
  const end = text.indexOf('\n', at)
  if (end < 0) return out
  for (const line of text.slice(end + 1).split('\n')) {
    if (line.trim() === '') continue
    const match = pair.exec(line)
    const here = line.length - line.trimStart().length
    if (here < indent || (here === indent && line.trimStart().startsWith('-'))) break
    if (match && here === indent && !match[2]) out.push(match[4]!)
  }
  return out
}

interface Open {
  readonly at: number
  readonly kind: '{' | '['
  /** Where the key or dash is before the outermost bracket. */
  readonly outer: Open | undefined
}

/** openBrackets finds the brackets around the end of a text; undefined if it is not in any. */
function openBrackets(text: string): Open | undefined {
  let open: Open | undefined
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '#' && (i === 0 || /\s/.test(text[i - 1]!))) i = endOfLine(text, i)
    else if ((c === '"' || c === "'") && /[\s,[{:]/.test(text[i - 1] ?? ' ')) {
      const end = endOfText(text, i)
      if (end < 0) return open
      i = end
    } else if (c === '$' && text[i + 1] === '{') {
      // Expressions outside of quotes are plain texts.
      const end = text.indexOf('}', i)
      if (end < 0) return open
      i = end
    } else if ((c === '{' || c === '[') && (open || /[\s:[{,]/.test(text[i - 1] ?? ' ')))
      open = { at: i, kind: c, outer: open }
    else if ((c === '}' || c === ']') && open) open = open.outer
  }
  return open
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function endOfText(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\' && text[from] === '"') i++
    else if (text[i] === text[from]) return i
  }
  return -1
}

function inFlow(text: string, at: number, open: Open): Spot {
  const path = open.outer ? pathOfItem(text, open.outer, open.at) : pathBefore(text, open.at)
  const inside = text.slice(open.at + 1, at)
  const parts = splitParts(inside)
  const last = parts.at(-1) ?? ''
  const from = wordFrom(text, at)
  if (open.kind === '[')
    return { path: [...path, parts.length - 1], at: 'value', from, taken: [], inQuotes: quotes(last) }
  const match = /^\s*"?([\w.-]+)"?\s*:(?:\s|$|(?=["[{]))(.*)$/s.exec(last)
  if (match) return { path: [...path, match[1]!], at: 'value', from, taken: [], inQuotes: quotes(match[2]!) }
  const taken = parts.slice(0, -1).flatMap((part) => /^\s*"?([\w.-]+)"?\s*:/.exec(part)?.[1] ?? [])
  return { path, at: 'key', from, taken, inQuotes: quotes(last) }
}

/** pathOfItem is the path of what begins at a place within brackets. */
function pathOfItem(text: string, open: Open, at: number): (string | number)[] {
  const path = open.outer ? pathOfItem(text, open.outer, open.at) : pathBefore(text, open.at)
  const parts = splitParts(text.slice(open.at + 1, at))
  if (open.kind === '[') return [...path, parts.length - 1]
  const key = /^\s*"?([\w.-]+)"?\s*:/.exec(parts.at(-1) ?? '')?.[1]
  return key === undefined ? path : [...path, key]
}

/** pathBefore is the path of the value that the outermost bracket begins. */
function pathBefore(text: string, at: number): (string | number)[] {
  if (text.slice(0, at).trim() === '') return []
  const spot = spotAt(text.slice(0, at), at)
  return spot.at === 'value' ? [...spot.path] : [...spot.path]
}

/** splitParts cuts at the commas that are in no inner brackets and texts. */
function splitParts(text: string): string[] {
  const out: string[] = []
  let depth = 0
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '"' || c === "'") {
      const end = endOfText(text, i)
      if (end < 0) break
      i = end
    } else if (c === '{' || c === '[') depth++
    else if (c === '}' || c === ']') depth--
    else if (c === ',' && depth === 0) {
      out.push(text.slice(from, i))
      from = i + 1
    }
  }
  return [...out, text.slice(from)]
}

function quotes(text: string): boolean {
  return (text.split('"').length - 1) % 2 === 1
}

function wordFrom(text: string, at: number): number {
  let from = at
  while (from > 0 && /[\w.$-]/.test(text[from - 1]!)) from--
  return from
}

/** Offer is something that could be written. */
export interface Offer {
  readonly label: string
  readonly kind: 'key' | 'value' | 'step' | 'variable'
  readonly detail?: string | undefined
  /** What is written; the label if absent. */
  readonly apply?: string | undefined
}

const variables = ['input', 'saga', 'steps', 'output', 'status', 'headers', 'body', 'item', 'index', 'attempt']

/** offersAt lists what could be written at a place. */
export function offersAt(
  text: string,
  at: number,
  value: Json | undefined,
): { from: number; offers: Offer[] } | undefined {
  const spot = spotAt(text, at)
  const expression = expressionOffers(text, at, spot, value)
  if (expression) return expression
  if (spot.at === 'key') {
    const json = text.trimStart().startsWith('{')
    const offers = keysAt(spot.path)
      .filter(([key]) => !spot.taken.includes(key))
      .map(([key, shape]) => ({
        label: key,
        kind: 'key' as const,
        detail: shape.description,
        apply: json ? (spot.inQuotes ? key : `"${key}": `) : `${key}: `,
      }))
    return offers.length > 0 ? { from: spot.from, offers } : undefined
  }
  const offers = [
    ...stepOffers(spot.path, value),
    ...valuesAt(spot.path).map((label) => ({ label, kind: 'value' as const })),
  ]
  return offers.length > 0 ? { from: spot.from, offers } : undefined
}

/** stepOffers are the steps where a path takes one. */
function stepOffers(path: Path, value: Json | undefined): Offer[] {
  if (path[0] !== 'steps' || typeof path[1] !== 'number') return []
  const own = stepList(value)[path[1]]?.['id']
  if (path[2] === 'onRefused') {
    return [
      { label: 'compensate', kind: 'value' },
      { label: 'continue', kind: 'value' },
      ...idsOf(value)
        .filter((id) => id !== own)
        .map((label) => ({ label, kind: 'step' as const })),
    ]
  }
  if (path[2] !== 'after') return []
  return stepList(value).flatMap((step) => {
    const id = step['id']
    if (typeof id !== 'string' || id === own) return []
    return [id, ...casesOf(step).map((name) => `${id}.${name}`)].map((label) => ({
      label,
      kind: 'step' as const,
    }))
  })
}

function expressionOffers(text: string, at: number, spot: Spot, value: Json | undefined) {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at)
  const shape = spot.at === 'value' ? rawShapeAt(spot.path) : undefined
  const inside =
    line.lastIndexOf('${') > line.lastIndexOf('}') || (shape && nameOfShape(shape) === 'expression')
  if (!inside) return undefined
  const step = /steps(?:\.|\[["'])([\w-]*)$/.exec(line)
  if (step) {
    return {
      from: at - step[1]!.length,
      offers: idsOf(value).map((label) => ({ label, kind: 'step' as const })),
    }
  }
  const field = /steps\.[\w-]+\.(\w*)$/.exec(line)
  if (field) {
    const offers = ['output', 'status', 'error', 'case'].map((label) => ({ label, kind: 'variable' as const }))
    return { from: at - field[1]!.length, offers }
  }
  const input = /(?<![\w.])input\.(\w*)$/.exec(line)
  if (input) {
    const known = Object.keys(asMap(asMap(asMap(value)?.['input'])?.['properties']) ?? {})
    return { from: at - input[1]!.length, offers: known.map((label) => ({ label, kind: 'variable' as const })) }
  }
  const word = /(?<![\w.])(\w*)$/.exec(line)
  if (!word) return undefined
  return {
    from: at - word[1]!.length,
    offers: variables.map((label) => ({ label, kind: 'variable' as const })),
  }
}
