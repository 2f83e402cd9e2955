/** Filter is what a search means. All fields may be absent. */
export interface Filter {
  status?: string
  live?: true
  stuck?: true
  heuristic?: true
  app?: string
  group?: string
  name?: string
  saga?: string
  key?: string
  kind?: string
  /** Ages, such as "5m": only those that are older, or younger. */
  older?: string
  younger?: string
  /** Times, such as "2026-01-31T15:04:05Z": begun at or after, and before. */
  from?: string
  to?: string
  xid?: string
}

export type Field = keyof Filter

/** Wrong is what is not understood, and where in the text. */
export interface Wrong {
  readonly code:
    | 'unknownWord'
    | 'unknownKey'
    | 'emptyValue'
    | 'openQuote'
    | 'badStatus'
    | 'badKind'
    | 'badAge'
    | 'badTime'
    | 'badXid'
    | 'twice'
    | 'keyNeedsSaga'
    | 'nameOrSaga'
    | 'xidAlone'
    | 'ageOrTime'
    | 'emptyRange'
    | 'endedIsNotLive'
  readonly at: number
  readonly end: number
  readonly text: string
}

/** Token is a word of the text. */
export interface Token {
  readonly text: string
  readonly at: number
  readonly end: number
}

/** Search is a text as it is understood. Its filter means something only if nothing is wrong. */
export interface Search {
  readonly filter: Filter
  readonly wrong: readonly Wrong[]
}

export const statuses = ['Active', 'Committing', 'RollingBack', 'Committed', 'RolledBack'] as const
export const kinds = [
  'AT',
  'TCC',
  'XA',
  'SAGA',
  'SAGA_ANNOTATION',
  'TOPIC',
  'HTTP',
  'HTTP_TCC',
  'CHECK',
  'STEP_CALL',
  'STEP_MESSAGE',
  'STEP_WORKER',
  'STEP_TIMER',
  'STEP_SIGNAL',
] as const
/** flags are words that stand alone. */
export const flags = ['live', 'stuck', 'heuristic'] as const

/** fields are the words before a colon, by what they mean. */
export const fields = {
  status: 'status',
  app: 'app',
  name: 'name',
  saga: 'saga',
  key: 'key',
  kind: 'kind',
  group: 'group',
  from: 'from',
  to: 'to',
  xid: 'xid',
} as const satisfies Partial<Record<Field, string>>

const synonyms: Readonly<Record<string, keyof typeof fields>> = {
  application: 'app',
  since: 'from',
  until: 'to',
  id: 'xid',
}

/** tokensOf splits a text at spaces that are not quoted. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    tokens.push({ text: match[0], at: match.index, end: match.index + match[0].length })
  }
  return tokens
}

/** parse reads a search. What it does not understand it names, with its place, and never passes over. */
export function parse(text: string): Search {
  const filter: Filter = {}
  const wrong: Wrong[] = []
  const places: Partial<Record<Field, Token>> = {}
  const fail = (code: Wrong['code'], token: Token, of = token.text) =>
    wrong.push({ code, at: token.at, end: token.end, text: of })
  const set = (field: Field, value: string | true, token: Token) => {
    if (places[field]) return fail('twice', token)
    places[field] = token
    Object.assign(filter, { [field]: value })
  }
  for (const token of tokensOf(text)) readToken(token, set, fail)
  const place = (field: Field) => places[field]!
  if (filter.key && !filter.saga) fail('keyNeedsSaga', place('key'))
  if (filter.saga && filter.name && filter.saga !== filter.name) fail('nameOrSaga', place('name'))
  if (filter.xid && Object.keys(filter).length > 1) fail('xidAlone', place('xid'))
  if (filter.younger && filter.from) fail('ageOrTime', place('younger'))
  if (filter.older && filter.to) fail('ageOrTime', place('older'))
  if (filter.younger && filter.older && millisOf(filter.younger)! <= millisOf(filter.older)!) {
    fail('emptyRange', place('younger'))
  }
  if (filter.from && filter.to && Date.parse(filter.from) >= Date.parse(filter.to))
    fail('emptyRange', place('to'))
  if ((filter.live || filter.stuck) && (filter.status === 'Committed' || filter.status === 'RolledBack')) {
    fail('endedIsNotLive', place('status'))
  }
  return { filter, wrong }
}

type Set = (field: Field, value: string | true, token: Token) => void
type Fail = (code: Wrong['code'], token: Token, of?: string) => void

function readToken(token: Token, set: Set, fail: Fail): void {
  const flag = flags.find((each) => each === token.text.toLowerCase())
  if (flag) return set(flag, true, token)
  const age = /^age([<>])(.*)$/i.exec(token.text)
  if (age) {
    if (!age[2]) return fail('emptyValue', token)
    if (millisOf(age[2]) === undefined) return fail('badAge', token, age[2])
    return set(age[1] === '<' ? 'younger' : 'older', age[2], token)
  }
  const colon = token.text.indexOf(':')
  const isXid = xidOf(token.text) !== undefined
  const word = token.text.slice(0, Math.max(colon, 0)).toLowerCase()
  const field = synonyms[word] ?? (word in fields ? (word as keyof typeof fields) : undefined)
  if (!field) {
    if (isXid) return set('xid', xidOf(token.text)!, token)
    return fail(
      colon > 0 ? 'unknownKey' : 'unknownWord',
      token,
      colon > 0 ? token.text.slice(0, colon) : token.text,
    )
  }
  const raw = token.text.slice(colon + 1)
  if ((raw.match(/"/g)?.length ?? 0) % 2 === 1) return fail('openQuote', token)
  const value = raw.replaceAll('"', '')
  if (!value.trim()) return fail('emptyValue', token)
  readValue(field, value, token, set, fail)
}

function readValue(field: keyof typeof fields, value: string, token: Token, set: Set, fail: Fail): void {
  const same = (names: readonly string[]) => names.find((name) => name.toLowerCase() === value.toLowerCase())
  switch (field) {
    case 'status': {
      const status = same(statuses)
      return status ? set('status', status, token) : fail('badStatus', token, value)
    }
    case 'kind': {
      const kind = same(kinds)
      return kind ? set('kind', kind, token) : fail('badKind', token, value)
    }
    case 'from':
    case 'to': {
      const time = timeOf(value)
      return time ? set(field, time, token) : fail('badTime', token, value)
    }
    case 'xid': {
      const id = xidOf(value)
      return id ? set('xid', id, token) : fail('badXid', token, value)
    }
    default:
      return set(field, value, token)
  }
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** millisOf reads an age such as 90s, 1h30m or 2d. */
export function millisOf(age: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(age)) return undefined
  let millis = 0
  for (const part of age.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) millis += Number(part[1]) * units[part[2]!]!
  return millis
}

/** timeOf reads a time; without a zone it is one of this machine's. */
function timeOf(text: string): string | undefined {
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined
  const at = new Date(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace('.000Z', 'Z')
}

/** xidOf returns the number of an xid, or of the number at its end alone. */
export function xidOf(text: string): string | undefined {
  return /^(?:[\w.\-[\]:]+:\d+:)?(\d{4,19})$/.exec(text)?.[1]
}

const order: readonly Field[] = [
  'xid',
  'status',
  'live',
  'stuck',
  'heuristic',
  'app',
  'group',
  'name',
  'saga',
  'key',
  'kind',
  'younger',
  'older',
  'from',
  'to',
]

/** format writes a filter as a text that parse reads as the same. */
export function format(filter: Filter): string {
  const words: string[] = []
  for (const field of order) {
    const value = filter[field]
    if (value === undefined || value === '') continue
    if (value === true) words.push(field)
    else if (field === 'younger') words.push(`age<${value}`)
    else if (field === 'older') words.push(`age>${value}`)
    else words.push(`${field}:${/[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value}`)
  }
  return words.join(' ')
}

/** change returns a text with one field of its filter changed; absent or "" removes it. The other words keep their
 * order. */
export function change(text: string, field: Field, value: string | true | undefined): string {
  const wanted = value === undefined || value === '' ? '' : format({ [field]: value })
  const words: string[] = []
  let placed = wanted === ''
  for (const token of tokensOf(text)) {
    if (fieldOf(token) !== field) words.push(token.text)
    else if (!placed) {
      words.push(wanted)
      placed = true
    }
  }
  if (!placed) words.push(wanted)
  return words.join(' ')
}

/** fieldOf returns what a word is about, if it is understood. */
export function fieldOf(token: Token): Field | undefined {
  let found: Field | undefined
  readToken(
    token,
    (field) => (found = field),
    () => {},
  )
  if (found) return found
  const key = token.text.split(':')[0]!.toLowerCase()
  if (token.text.includes(':')) return synonyms[key] ?? (key in fields ? (key as Field) : undefined)
  if (/^age</i.test(token.text)) return 'younger'
  return /^age>/i.test(token.text) ? 'older' : undefined
}
