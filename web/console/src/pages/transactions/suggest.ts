import { fields, flags, kinds, statuses, tokensOf } from './search.ts'

/** Values are what is known of values that the server does not fix. */
export interface Values {
  readonly app: readonly string[]
  readonly name: readonly string[]
  readonly saga: readonly string[]
  readonly group: readonly string[]
}

/** Suggestion is a word that may be meant. */
export interface Suggestion {
  /** What stands in the text then. */
  readonly text: string
  /** The word that explains it, if it is no value. */
  readonly about?: string
  /** Whether a value follows. */
  readonly open: boolean
}

/** Suggestions are for the part of the text from `at` to `end`. */
export interface Suggestions {
  readonly at: number
  readonly end: number
  readonly items: readonly Suggestion[]
}

const keys: readonly Suggestion[] = [
  ...Object.values(fields).map((field) => ({ text: `${field}:`, about: field, open: true })),
  { text: 'age>', about: 'older', open: true },
  { text: 'age<', about: 'younger', open: true },
  ...flags.map((flag) => ({ text: flag, about: flag, open: false })),
]
const ages = ['1m', '5m', '15m', '1h', '24h', '7d']
const most = 12

/** suggest returns what may be meant by the word at the cursor. */
export function suggest(text: string, cursor: number, values: Values): Suggestions {
  const token = tokensOf(text).find((each) => each.at < cursor && cursor <= each.end)
  if (!token) return { at: cursor, end: cursor, items: keys }
  const typed = text.slice(token.at, cursor)
  const named = /^(\w+)([:<>])(.*)$/s.exec(typed)
  const range = { at: token.at, end: token.end }
  if (!named) return { ...range, items: keys.filter((key) => starts(key.text, typed) && key.text !== typed) }
  const [, key, mark, start] = named
  const prefix = key! + mark!
  const wanted = start!.replaceAll('"', '')
  const fitting = known(key!.toLowerCase(), values).filter(
    (value) => contains(value, wanted) && value !== wanted,
  )
  fitting.sort((a, b) => Number(starts(b, wanted)) - Number(starts(a, wanted)))
  return {
    ...range,
    items: fitting.slice(0, most).map((value) => ({ text: prefix + quoted(value), open: false })),
  }
}

function known(key: string, values: Values): readonly string[] {
  switch (key) {
    case 'status':
      return statuses
    case 'kind':
      return kinds
    case 'age':
      return ages
    case 'app':
    case 'application':
      return values.app
    case 'name':
    case 'saga':
    case 'group':
      return values[key]
  }
  return []
}

function quoted(value: string): string {
  return /\s/.test(value) ? `"${value}"` : value
}

function starts(whole: string, start: string): boolean {
  return whole.toLowerCase().startsWith(start.toLowerCase())
}

function contains(whole: string, part: string): boolean {
  return whole.toLowerCase().includes(part.toLowerCase())
}

/** accept puts a suggestion into the text, and says where the cursor is then. */
export function accept(text: string, where: Suggestions, item: Suggestion): { text: string; cursor: number } {
  const gap = item.open ? '' : ' '
  const rest = text.slice(where.end).replace(/^ /, '')
  const start = text.slice(0, where.at) + item.text + gap
  return { text: start + (item.open && rest ? ` ${rest}` : rest), cursor: start.length }
}
